/** Body of `POST /v1/completions`. */

import { z } from "zod";
import { extensionFields, sharedFields } from "./openai.ts";
import { bool, text, u32, usize } from "./scalars.ts";

/** A text or token ids, or a list of either. */
export type Prompt = string | readonly number[];

const isIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 &&
  value.every((id) => Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff);

const isText = (value: unknown): value is string => typeof value === "string";

const prompts = z.custom<Prompt | readonly Prompt[]>(
  (value) =>
    isText(value) || isIds(value) ||
    (Array.isArray(value) && value.length > 0 && (value.every(isText) || value.every(isIds))),
  { error: "a string, token ids, or a sequence of either" },
);

/** OpenAI's completion, and TGI's parameters as its JavaScript client flattens them. */
export const CompletionRequest = z.looseObject({
  prompt: prompts.meta({
    oneOf: [
      { type: "string" },
      { type: "array", items: { type: "string" } },
      { type: "array", items: { type: "integer" } },
      { type: "array", items: { type: "array", items: { type: "integer" } } },
    ],
    example: "My name is Olivier and I",
  }),
  max_tokens: u32.nullish().meta({
    type: "integer",
    default: 16,
    description: "Absent is 16; 0 only with echo",
  }),
  echo: bool.nullish().meta({ description: "The prompt comes back before the text" }),
  logprobs: usize.nullish().meta({ type: "integer", description: "Most likely tokens, 0 to 5" }),
  best_of: usize.nullish().meta({
    type: "integer",
    description: "Generations of which the n most likely are returned; not for streams",
  }),
  suffix: text.nullish().meta({ description: "Refused" }),
  ...sharedFields,
  ...extensionFields,
  do_sample: bool.nullish().meta({ description: "TGI's; false without a temperature is greedy" }),
  return_full_text: bool.nullish().meta({ description: "TGI's name of echo" }),
  truncate: usize.nullish().meta({
    type: "integer",
    description: "TGI's: the prompt's last tokens",
  }),
}, { error: "struct CompletionRequest" }).meta({ id: "CompletionRequest" });

/** A body as {@link CompletionRequest} reads it. */
export type CompletionRequest = z.output<typeof CompletionRequest>;

/** {@link CompletionRequest} as the route uses it. */
export const completionRequest = z.compile(CompletionRequest);

/** The prompts of a body, one or many. */
export function promptsOf(body: CompletionRequest): readonly Prompt[] {
  const { prompt } = body;
  if (isText(prompt) || isIds(prompt)) return [prompt];
  return prompt as readonly Prompt[];
}
