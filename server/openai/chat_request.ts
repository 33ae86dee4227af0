/** From the body of a chat to jobs and how their turns are read. */

import type { GenerateJob, Grammar } from "../../ffi/types.ts";
import { adapterOf } from "../adapter_choice.ts";
import { cutAtMark, markLast } from "../chat/continued.ts";
import { type JsonObject, plainMessage } from "../chat/messages.ts";
import { opensReasoning, reasoningTags } from "../chat/reasoning.ts";
import type { ChatRenderer } from "../chat/renderer.ts";
import { responseGrammar } from "../chat/response_format.ts";
import { type ToolChoice, toolChoice } from "../chat/tools/choice.ts";
import type { ToolFormat } from "../chat/tools/format.ts";
import { callGrammar, describeTools, generic, showCalls } from "../chat/tools/generic.ts";
import { pickFormat } from "../chat/tools/pick.ts";
import { strictGrammar, type TurnReasoning } from "../chat/tools/strict.ts";
import type { AppContext } from "../context.ts";
import { ToolError, ValidationError } from "../errors.ts";
import type { ChatRequest } from "../schemas/chat.ts";
import { NO_GRAMMARS } from "../schemas/validate.ts";
import { checkCount } from "./completion_request.ts";
import { checkShared, sharedParameters } from "./parameters.ts";

/** OpenAI's most for `top_logprobs`. */
const MAX_TOP_LOGPROBS = 20;

/** Variables of a template that a request cannot set: they are the server's. */
const RESERVED = new Set([
  "messages",
  "tools",
  "add_generation_prompt",
  "continue_final_message",
  "bos_token",
  "eos_token",
  "chat_template",
  "raise_exception",
  "strftime_now",
  "range",
  "namespace",
  "dict",
  "debug",
]);

/** How the text of a turn is read. */
export interface TurnShape {
  readonly logprobs: boolean;
  /** Null when no tool may be called. */
  readonly tools: {
    readonly format: ToolFormat;
    readonly names: ReadonlySet<string>;
    /** Whether a grammar holds the turn to calls. */
    readonly forced: boolean;
    /** Whether a turn may have more than one call. */
    readonly many: boolean;
  } | null;
  /** Null when the model does not reason. */
  readonly reasoning: TurnReasoning | null;
}

/** A checked body. */
export interface ChatPlan {
  /** One for each choice. */
  readonly jobs: readonly GenerateJob[];
  readonly shape: TurnShape;
  /** The prompt, as the template has written it. */
  readonly prompt: string;
}

/** Checks a body, renders its messages and plans its generations. Throws a `TgiError`. */
export async function planChat(body: ChatRequest, context: AppContext): Promise<ChatPlan> {
  const { maxStopSequences } = context.options;
  checkShared(body, { maxStopSequences, vocab: context.engine.info.vocab });
  checkChat(body);
  const choices = body.n ?? 1;
  checkCount(choices, context.permits.limit);
  const choice = toolChoice(body);
  const asked = askedGrammar(body, choice);
  const format = pickFormat(context.chat.template);
  const prompt = await renderChat(body, choice, format, context.chat);
  const shape = turnShape(body, choice, format, context.chat, prompt);
  const grammar = asked ?? toolGrammar(choice, shape);
  const jobs = Array.from({ length: choices }, (_, index) => ({
    ...chatJob(body, prompt, supported(grammar, body, context), index),
    ...adapterOf(context.options, body.model),
  }));
  return { jobs, shape, prompt };
}

/** The grammar of a turn, where grammars are supported or the turn has none. */
function supported(
  grammar: Grammar | null,
  { tools }: ChatRequest,
  { options }: AppContext,
): Grammar | null {
  if (grammar === null || !options.disableGrammarSupport) return grammar;
  const param = (tools ?? []).length > 0 ? "tools" : "response_format";
  throw ValidationError.ofParam(param, NO_GRAMMARS);
}

function checkChat(body: ChatRequest): void {
  const top = body.top_logprobs ?? 0;
  if (top > MAX_TOP_LOGPROBS) {
    const words = `\`top_logprobs\` must be >= 0 and <= ${MAX_TOP_LOGPROBS}. Given: ${top}`;
    throw ValidationError.ofParam("top_logprobs", words);
  }
  if (top > 0 && body.logprobs !== true) {
    const words = "`top_logprobs` is only for `logprobs` == true";
    throw ValidationError.ofParam("top_logprobs", words);
  }
  for (const name of ["max_tokens", "max_completion_tokens"] as const) {
    if (body[name] !== 0) continue;
    throw ValidationError.ofParam(name, `\`${name}\` must be strictly positive. Given: 0`);
  }
}

/** The format that was asked for, which nobody can hold together with calls. */
function askedGrammar(body: ChatRequest, { tools }: ToolChoice): Grammar | null {
  const grammar = responseGrammar(body.response_format);
  if (grammar === null || tools.length === 0) return grammar;
  throw new ToolError("Grammar and tools are mutually exclusive");
}

/** What holds a turn to its tools; null where none is forced or strict. */
function toolGrammar(
  { tools, forced, many }: ToolChoice,
  { tools: shape, reasoning }: TurnShape,
): Grammar | null {
  if (forced) return callGrammar(tools, many);
  if (shape === null || !tools.some(({ strict }) => strict)) return null;
  return strictGrammar(shape.format, tools, many, reasoning);
}

/** The prompt of a body's messages. Throws a `TgiError`. */
export async function renderChat(
  body: ChatRequest,
  { tools }: ToolChoice,
  format: ToolFormat,
  renderer: ChatRenderer,
): Promise<string> {
  const read = body.messages.map(plainMessage);
  const plain = /\btool_calls\b/.test(renderer.template ?? "") ? read : showCalls(read);
  const isTold = format === generic && tools.length > 0;
  const continued = body.continue_final_message === true ? markLast(plain) : null;
  const messages = continued?.messages ?? plain;
  const prompt = await renderer.render({
    messages: isTold ? describeTools(messages, tools) : messages,
    tools: isTold || tools.length === 0 ? null : tools.map(({ definition }) => definition),
    addGenerationPrompt: generationPrompt(body),
    variables: templateVariables(body.chat_template_kwargs ?? {}),
  });
  return continued === null ? prompt : cutAtMark(prompt, continued);
}

function generationPrompt(body: ChatRequest): boolean {
  if (body.continue_final_message !== true) return body.add_generation_prompt ?? true;
  if (body.add_generation_prompt !== true) return false;
  throw ValidationError.ofParam(
    "add_generation_prompt",
    "`add_generation_prompt` and `continue_final_message` exclude each other",
  );
}

function templateVariables(variables: JsonObject): JsonObject {
  const reserved = Object.keys(variables).find((name) => RESERVED.has(name));
  if (reserved === undefined) return variables;
  throw ValidationError.ofParam(
    "chat_template_kwargs",
    `\`chat_template_kwargs\` cannot set \`${reserved}\`: the name is the server's own`,
  );
}

function chatJob(
  body: ChatRequest,
  prompt: string,
  grammar: Grammar | null,
  index: number,
): GenerateJob {
  const isLogged = body.logprobs === true;
  return {
    inputs: prompt,
    parameters: {
      ...sharedParameters(body, index),
      max_new_tokens: body.max_completion_tokens ?? body.max_tokens ?? null,
      add_special_tokens: false,
      top_n_tokens: isLogged ? body.top_logprobs ?? 0 : 0,
      ...(isLogged ? { raw_logprobs: true } : {}),
      ...(grammar === null ? {} : { grammar }),
    },
  };
}

function turnShape(
  body: ChatRequest,
  { tools, forced, many }: ToolChoice,
  format: ToolFormat,
  { template }: ChatRenderer,
  prompt: string,
): TurnShape {
  const names = new Set(tools.map(({ name }) => name));
  const tags = forced ? null : reasoningTags(template);
  return {
    logprobs: body.logprobs === true,
    tools: tools.length === 0 ? null : { format, names, forced, many },
    reasoning: tags && { tags, inside: opensReasoning(prompt, tags) },
  };
}
