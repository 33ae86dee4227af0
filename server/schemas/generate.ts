/** Request bodies of the native routes. The `meta` of each field is TGI's own document. */

import { z } from "zod";
import { Grammar } from "./grammar.ts";
import { biases, bool, f32, i32, text, u32, u64, usize } from "./scalars.ts";

/** TGI's generation parameters; null is the same as absent everywhere but in `max_new_tokens`. */
export const GenerateParameters = z.looseObject({
  best_of: usize.nullish().meta({
    type: "integer",
    default: "null",
    example: 1,
    exclusiveMinimum: 0,
    description: "Generations of which the likeliest is returned, the others in the details",
  }),
  temperature: f32.nullish().meta({
    type: "number",
    format: "float",
    default: "null",
    example: 0.5,
    exclusiveMinimum: 0,
  }),
  repetition_penalty: f32.nullish().meta({
    type: "number",
    format: "float",
    default: "null",
    example: 1.03,
    exclusiveMinimum: 0,
  }),
  frequency_penalty: f32.nullish().meta({
    type: "number",
    format: "float",
    default: "null",
    example: 0.1,
    minimum: -2,
    maximum: 2,
  }),
  top_k: i32.nullish().meta({
    type: "integer",
    format: "int32",
    default: "null",
    example: 10,
    exclusiveMinimum: 0,
  }),
  top_p: f32.nullish().meta({
    type: "number",
    format: "float",
    default: "null",
    example: 0.95,
    exclusiveMinimum: 0,
    maximum: 1,
  }),
  typical_p: f32.nullish().meta({
    type: "number",
    format: "float",
    default: "null",
    example: 0.95,
    exclusiveMinimum: 0,
    exclusiveMaximum: 1,
  }),
  do_sample: bool.nullish().meta({ default: "false", example: true }),
  max_new_tokens: u32.nullish().meta({
    type: "integer",
    format: "int32",
    default: "20",
    example: 20,
    exclusiveMinimum: 0,
    exclusiveMaximum: 512,
    description: "null fills up to the total limit; only that limit is enforced",
  }),
  return_full_text: bool.nullish().meta({
    default: "null",
    example: false,
    description: "Puts the prompt before the generated text",
  }),
  stop: z.array(text, { error: "a sequence" }).nullish().meta({
    example: ["photographer"],
    maxItems: 4,
  }),
  truncate: usize.nullish().meta({
    type: "integer",
    default: "null",
    example: 100,
    minimum: 0,
    description: "Keeps only the last tokens of the prompt",
  }),
  watermark: bool.nullish().meta({ default: "false", example: true }),
  details: bool.nullish().meta({
    default: "true",
    example: true,
    description: "Absent is false",
  }),
  decoder_input_details: bool.nullish().meta({
    default: "false",
    example: false,
    description: "Prompt tokens with their logprobs; not for streams",
  }),
  seed: u64.nullish().meta({
    type: "integer",
    format: "int64",
    example: 42,
    description: "0 to 2^64 - 1, exact",
  }),
  top_n_tokens: u32.nullish().meta({
    type: "integer",
    format: "int32",
    default: "null",
    example: 5,
    minimum: 0,
    description: "Most likely tokens to report at each place",
  }),
  grammar: Grammar.nullish(),
  adapter_id: text.nullish().meta({
    example: null,
    description: "LoRA adapter that answers, one of those in /info; null is the model itself",
  }),
  min_p: f32.nullish().meta({
    type: "number",
    format: "float",
    minimum: 0,
    maximum: 1,
    example: 0.05,
    description: "Extension: keeps tokens that are at least this part as likely as the likeliest",
  }),
  logit_bias: biases.nullish().meta({
    type: "object",
    additionalProperties: { type: "number" },
    example: { "7": -10 },
    description: "Extension: added to the logits, by token id",
  }),
  min_new_tokens: u32.nullish().meta({
    type: "integer",
    format: "int32",
    example: 1,
    description: "Extension: the text cannot end before so many tokens",
  }),
  ignore_eos: bool.nullish().meta({
    example: false,
    description: "Extension: generates on past the end",
  }),
  raw_logprobs: bool.nullish().meta({
    example: false,
    description: "Extension: logprobs of the model, before temperature and the rest",
  }),
  stop_anywhere: bool.nullish().meta({
    example: true,
    description: "Extension: a stop sequence counts also inside a token",
  }),
  include_stop_str: bool.nullish().meta({
    example: false,
    description: "Extension: false leaves the stop sequence out of the text",
  }),
  accounting: bool.nullish().meta({
    example: true,
    description: "Extension: the details say where time and tokens went; implies details",
  }),
}, { error: "struct GenerateParameters" }).meta({ id: "GenerateParameters" });

/** A body as {@link GenerateParameters} reads it. */
export type GenerateParameters = z.output<typeof GenerateParameters>;

/** Body of `POST /generate` and `POST /generate_stream`. */
export const GenerateRequest = z.looseObject({
  inputs: text.meta({ example: "My name is Olivier and I" }),
  parameters: GenerateParameters.nullish(),
}, { error: "struct GenerateRequest" }).meta({ id: "GenerateRequest" });

/** A body as {@link GenerateRequest} reads it. */
export type GenerateRequest = z.output<typeof GenerateRequest>;

/** Body of `POST /`. */
export const CompatGenerateRequest = GenerateRequest.extend({
  stream: bool.nullish().meta({ default: "false" }),
}).meta({ id: "CompatGenerateRequest" });

/** {@link GenerateRequest} as the routes use it. */
export const generateRequest = z.compile(GenerateRequest);

/** {@link CompatGenerateRequest} as the route uses it. */
export const compatGenerateRequest = z.compile(CompatGenerateRequest);
