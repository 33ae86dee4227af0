/** Body of `POST /v1/chat/completions`. */

import { z } from "zod";
import { extensionFields, sharedFields } from "./openai.ts";
import { bool, text, u32, usize } from "./scalars.ts";

/** Most messages of a conversation. */
const MAX_MESSAGES = 4096;

/** Most tools of a request, as OpenAI has it. */
const MAX_TOOLS = 128;

const looseObject = (expected: string) => z.looseObject({}, { error: expected });

/** A message; what this server does not know goes to the template as it is. */
export const ChatMessage = z.looseObject({
  role: text.meta({ example: "user" }),
  content: z.unknown().optional().meta({
    nullable: true,
    oneOf: [{ type: "string" }, { type: "array", items: { type: "object" } }],
    example: "What is deep learning?",
  }),
}, { error: "struct Message" }).meta({ id: "ChatMessage" });

/** A function that the model may call. */
export const ChatTool = z.looseObject({
  type: text.nullish().meta({ example: "function" }),
  function: z.looseObject({
    name: text.meta({ pattern: "^[\\w.-]{1,64}$", example: "get_weather" }),
    description: text.nullish(),
    parameters: looseObject("a JSON schema").nullish(),
    strict: bool.nullish().meta({
      description: "Holds the arguments to `parameters` also where the model is free to call",
    }),
  }, { error: "struct FunctionDefinition" }),
}, { error: "struct Tool" }).meta({ id: "ChatTool" });

const toolChoice = z.custom<string | Readonly<Record<string, unknown>>>(
  (value) => typeof value === "string" || (typeof value === "object" && !Array.isArray(value)),
  { error: "`auto`, `none`, `required` or a function" },
);

/** OpenAI's forms of an answer's format, and TGI's. */
export const ResponseFormat = z.looseObject({
  type: text.meta({ enum: ["text", "json_object", "json_schema", "json", "regex", "lark"] }),
  json_schema: looseObject("a map").nullish().meta({ description: "OpenAI's: {name, schema}" }),
  value: z.unknown().optional().meta({ description: "TGI's: a schema or a text" }),
  schema: z.unknown().optional().meta({ description: "Another name of `value`" }),
}, { error: "struct ResponseFormat" }).meta({ id: "ResponseFormat" });

/** OpenAI's chat. */
export const ChatRequest = z.looseObject({
  messages: z.array(ChatMessage, { error: "a sequence" })
    .min(1, { error: "at least one message" })
    .max(MAX_MESSAGES, { error: `at most ${MAX_MESSAGES} messages` }),
  max_tokens: u32.nullish().meta({ type: "integer", description: "Absent fills up" }),
  max_completion_tokens: u32.nullish().meta({
    type: "integer",
    description: "Newer name of max_tokens; it wins",
  }),
  ...sharedFields,
  logprobs: bool.nullish(),
  top_logprobs: usize.nullish().meta({ type: "integer", description: "0 to 20, with logprobs" }),
  response_format: ResponseFormat.nullish(),
  tools: z.array(ChatTool, { error: "a sequence" })
    .max(MAX_TOOLS, { error: `at most ${MAX_TOOLS} tools` }).nullish(),
  tool_choice: toolChoice.nullish().meta({
    oneOf: [{ type: "string" }, { type: "object" }],
    description: "auto, none, required, or {type: function, function: {name}}",
  }),
  parallel_tool_calls: bool.nullish(),
  continue_final_message: bool.nullish().meta({
    description: "Extension: goes on with the last message of the assistant",
  }),
  add_generation_prompt: bool.nullish().meta({
    description: "Extension: false leaves out the head of the assistant's turn",
  }),
  chat_template_kwargs: looseObject("a map").nullish().meta({
    description: "Extension: variables of the template, such as enable_thinking",
  }),
  ...extensionFields,
}, { error: "struct ChatRequest" }).meta({ id: "ChatRequest" });

/** A body as {@link ChatRequest} reads it. */
export type ChatRequest = z.output<typeof ChatRequest>;

/** {@link ChatRequest} as the routes use it. */
export const chatRequest = z.compile(ChatRequest);
