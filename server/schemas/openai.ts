/** Fields that both OpenAI routes share, and this server's extensions of them. */

import { z } from "zod";
import { anySeed, biases, bool, f32, i32, text, u32, usize } from "./scalars.ts";

const number = (description: string) =>
  f32.nullish().meta({ type: "number", format: "float", description });

const count = (description: string) => usize.nullish().meta({ type: "integer", description });

/** A text or a list of texts. */
const stops = z.custom<string | readonly string[]>(
  (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.every((item) => typeof item === "string")),
  { error: "a string or a sequence of strings" },
);

/** What every streamed answer may be asked for. */
export const StreamOptions = z.looseObject({
  include_usage: bool.nullish().meta({ description: "One more chunk at the end, with the usage" }),
}, { error: "struct StreamOptions" }).meta({ id: "StreamOptions" });

/** OpenAI's fields of both routes. */
export const sharedFields = {
  model: text.nullish().meta({
    description: "The name of a loaded adapter; with any other the model itself answers",
  }),
  temperature: number("0 is greedy; absent is 1"),
  top_p: number("From 0 to 1; absent is 1"),
  seed: anySeed.nullish().meta({
    type: "integer",
    format: "int64",
    description: "The same seed gives the same text whatever the load; choice i uses seed + i",
  }),
  stop: stops.nullish().meta({
    oneOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
    description: "The text ends before the first of these, wherever in it",
  }),
  presence_penalty: number("From -2 to 2, by OpenAI's formula"),
  frequency_penalty: number("From -2 to 2, by OpenAI's formula"),
  logit_bias: biases.nullish().meta({
    type: "object",
    additionalProperties: { type: "number" },
    description: "From -100 to 100, by token id",
  }),
  n: count("Choices to return"),
  stream: bool.nullish(),
  stream_options: StreamOptions.nullish(),
  user: text.nullish().meta({ description: "Accepted; changes nothing" }),
  metadata: z.unknown().nullish().meta({ description: "Accepted; changes nothing" }),
};

/** What other servers added to OpenAI's fields and clients send. */
export const extensionFields = {
  top_k: i32.nullish().meta({ type: "integer", description: "Extension; 0 or -1 is off" }),
  min_p: number("Extension; from 0 to 1"),
  typical_p: number("Extension; above 0, at most 1"),
  repetition_penalty: number("Extension; above 0"),
  min_tokens: u32.nullish().meta({
    type: "integer",
    description: "Extension; no end of the text before so many tokens",
  }),
  ignore_eos: bool.nullish().meta({ description: "Extension; generate on past the end" }),
  include_stop_str_in_output: bool.nullish().meta({
    description: "Extension; the stop text stays in the text",
  }),
};

const sharedShape = z.looseObject({ ...sharedFields, ...extensionFields });

/** What both routes can be asked for. */
export type SharedRequest = z.output<typeof sharedShape>;
