/** What a request says of its tools: which there are, and whether one must be called. */

import { ToolError, ValidationError } from "../../errors.ts";
import type { ChatRequest } from "../../schemas/chat.ts";
import { isObject } from "../messages.ts";
import type { Tool } from "./format.ts";

/** Whether the model may, must not or must call. */
export interface ToolChoice {
  /** Those that may be called; empty for `none`. */
  readonly tools: readonly Tool[];
  /** Whether the turn must be calls. */
  readonly forced: boolean;
  /** Whether a forced turn may be more than one call. */
  readonly many: boolean;
}

/** Reads the tools and the choice among them. Throws a {@link ToolError} for an unknown name. */
export function toolChoice(body: ChatRequest): ToolChoice {
  const tools = (body.tools ?? []).map(readTool);
  const choice = body.tool_choice ?? "auto";
  const many = body.parallel_tool_calls !== false;
  if (choice === "none") return { tools: [], forced: false, many };
  if (choice === "auto") return { tools, forced: false, many };
  if (tools.length === 0) {
    throw ValidationError.ofParam("tool_choice", "`tool_choice` needs `tools` to choose from");
  }
  if (choice === "required") return { tools, forced: true, many };
  const name = typeof choice === "string" ? choice : chosenName(choice);
  const tool = tools.find((tool) => tool.name === name);
  if (tool === undefined) throw new ToolError(`Tool with name ${name} not found`);
  return { tools: [tool], forced: true, many: false };
}

/** OpenAI's `{type, function: {name}}`; TGI's clients leave out the type. */
function chosenName(choice: Readonly<Record<string, unknown>>): string {
  const { function: chosen } = choice;
  const name = isObject(chosen) ? chosen.name : choice.name;
  if (typeof name === "string") return name;
  throw ValidationError.ofParam("tool_choice", "`tool_choice` must name a function");
}

function readTool(definition: NonNullable<ChatRequest["tools"]>[number]): Tool {
  const { name, parameters, strict } = definition.function;
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw ValidationError.ofParam(
      "tools",
      "The name of a function must have 1 to 64 letters, digits, `_`, `.` or `-`. Given: " +
        name.slice(0, 80),
    );
  }
  const schema = parameters ?? { type: "object", properties: {} };
  const whole = { ...definition, type: "function" };
  return { name, parameters: schema, strict: strict === true, definition: whole };
}
