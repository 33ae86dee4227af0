/** Replies of the OpenAI routes, for the document and for the tests: the server writes them as text. */

import { z } from "zod";

const count = z.int().min(0).meta({ type: "integer", format: "int32", example: 1 });
const logprob = z.number().nullable();
const reason = z.enum(["stop", "length", "tool_calls"]).nullable();

/** Tokens of a request. */
export const Usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
}).meta({ id: "Usage" });

/** A model that is served. */
export const Model = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
}).meta({ id: "Model" });

/** Body of `GET /v1/models`. */
export const ModelList = z.object({ object: z.literal("list"), data: z.array(Model) })
  .meta({ id: "ModelList" });

/** Body of every error on `/v1`. */
export const OpenAiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
}).meta({ id: "OpenAiError" });

/** A choice of a completion or of its chunk. */
export const CompletionChoice = z.object({
  text: z.string(),
  index: count,
  logprobs: z.object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(logprob),
    top_logprobs: z.array(z.record(z.string(), logprob).nullable()).nullable(),
    text_offset: z.array(count),
  }).nullable(),
  finish_reason: reason,
}).meta({ id: "CompletionChoice" });

const head = { id: z.string(), created: count, model: z.string(), system_fingerprint: z.string() };

/** Body of `POST /v1/completions`, and each chunk of its stream. */
export const Completion = z.object({
  ...head,
  object: z.literal("text_completion"),
  choices: z.array(CompletionChoice),
  usage: Usage.nullable().optional(),
}).meta({ id: "Completion" });

/** A call in a message. */
export const ToolCallJson = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({
    name: z.string(),
    arguments: z.string().meta({ description: "JSON text" }),
  }),
}).meta({ id: "ToolCall" });

/** A call in a chunk: id, type and name come first, then its arguments in pieces. */
export const ToolCallDelta = z.object({
  index: count,
  id: z.string().optional(),
  type: z.literal("function").optional(),
  function: z.object({
    name: z.string().optional(),
    arguments: z.string().meta({ description: "The next piece of the JSON text" }),
  }),
}).meta({ id: "ToolCallDelta" });

const chatToken = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(count),
};

const ChatLogprobs = z.object({
  content: z.array(z.object({
    ...chatToken,
    top_logprobs: z.array(z.object(chatToken)),
  })),
  refusal: z.null(),
}).nullable();

/** Body of `POST /v1/chat/completions`. */
export const ChatCompletion = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(z.object({
    index: count,
    message: z.object({
      role: z.literal("assistant"),
      content: z.string().nullable(),
      reasoning_content: z.string().optional(),
      tool_calls: z.array(ToolCallJson).optional(),
    }),
    logprobs: ChatLogprobs,
    finish_reason: reason,
  })),
  usage: Usage,
}).meta({ id: "ChatCompletion" });

/** A chunk of a chat's stream. */
export const ChatCompletionChunk = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(z.object({
    index: count,
    delta: z.object({
      role: z.literal("assistant").optional(),
      content: z.string().optional(),
      reasoning_content: z.string().optional(),
      tool_calls: z.array(ToolCallDelta).optional(),
    }),
    logprobs: ChatLogprobs,
    finish_reason: reason,
  })),
  usage: Usage.nullable().optional(),
}).meta({ id: "ChatCompletionChunk" });
