/**
 * For models whose template knows no tools, and for every call that is forced: a JSON array of
 * `{"name", "arguments"}`. A system message tells the model of it; a grammar holds it to it.
 */

import type { Grammar } from "../../../ffi/types.ts";
import { isObject, type JsonObject } from "../messages.ts";
import { callListSchema } from "./call_schema.ts";
import { JsonCallReader } from "./json_calls.ts";
import type { Tool, ToolFormat } from "./format.ts";
import { FREE_RULES } from "./strict.ts";

/** The array, or one object of it, is the whole turn. */
export const generic: ToolFormat = {
  name: "generic",
  matches: () => true,
  markers: [],
  reader: (tools) =>
    new JsonCallReader({ open: null, close: null, bare: true, named: false }, tools),
  grammar: (tools, many) => ({
    lark: `turn: FREE | GAP? @schema0\n${FREE_RULES}`,
    schemas: [callListSchema(tools, many)],
    marks: [],
  }),
};

/** The conversation with a first message that tells of the tools. */
export function describeTools(
  messages: readonly JsonObject[],
  tools: readonly Tool[],
): readonly JsonObject[] {
  const text = "You may call these functions:\n" +
    tools.map(({ definition }) => JSON.stringify(definition, plainNumber)).join("\n") +
    "\nTo call functions, answer with a JSON array alone, one object for each call: " +
    '[{"name": "the function", "arguments": {"the argument": "its value"}}]. ' +
    "Otherwise answer in plain text.";
  const [first, ...rest] = messages;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...messages];
  return [{ ...first, content: `${first.content ?? ""}\n\n${text}` }, ...rest];
}

/**
 * The conversation for a template that does not show `tool_calls`: earlier calls stand in the text,
 * in the format above, and no content is an empty text, which every template can write.
 */
export function showCalls(messages: readonly JsonObject[]): readonly JsonObject[] {
  return messages.map((message) => {
    const { content, tool_calls: calls } = message;
    const shown = Array.isArray(calls) ? calls.flatMap(shownCall) : [];
    if (shown.length === 0) return content === null ? { ...message, content: "" } : message;
    const text = JSON.stringify(shown, plainNumber);
    return { ...message, content: content ? `${content}\n${text}` : text };
  });
}

function shownCall(call: unknown): readonly JsonObject[] {
  if (!isObject(call) || !isObject(call.function)) return [];
  const { name, arguments: given } = call.function;
  return [{ name, arguments: given }];
}

/** The grammar of a turn that calls at least one of `tools`, and no more than one unless `many`. */
export function callGrammar(tools: readonly Tool[], many: boolean): Grammar {
  return { type: "json_schema", value: callListSchema(tools, many) };
}

/** Bodies are read with exact integers under the key `seed`. */
function plainNumber(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
