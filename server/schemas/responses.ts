/** Response bodies, for the document and for the tests: the server writes them as text. */

import { z } from "zod";

const id = z.int().min(0).meta({ type: "integer", format: "int32", example: 0 });
const piece = z.string().meta({ example: "test" });
const logprob = z.number().nullable().meta({ format: "float", example: -0.34 });
const count = z.int().min(0).meta({ type: "integer", format: "int32", example: 1 });
const seed = z.number().nullable().optional().meta({
  type: "integer",
  format: "int64",
  example: 42,
  description: "The u64 that was used; null when nothing was sampled",
});

/** Why a generation ended. */
export const FinishReason = z.enum(["length", "eos_token", "stop_sequence"])
  .meta({ id: "FinishReason" });

/** A generated token. */
export const Token = z.object({
  id,
  text: piece,
  logprob,
  special: z.boolean().meta({ example: "false" }),
}).meta({ id: "Token" });

/** A prompt token; the first has no logprob. */
export const PrefillToken = z.object({ id, text: piece, logprob }).meta({ id: "PrefillToken" });

const millis = z.number().min(0).meta({ format: "float", example: 1.5, description: "ms" });

/** Where the time and the tokens of a generation went. */
export const Accounting = z.object({
  queue_time: millis,
  prefill_time: millis,
  decode_time: millis,
  cached_tokens: count.meta({ description: "Prompt tokens that the prefix cache held" }),
  drafted_tokens: count.meta({ description: "Tokens that speculation proposed" }),
  accepted_tokens: count.meta({ description: "Drafted tokens that were right" }),
}).meta({ id: "Accounting" });

const accounting = Accounting.optional();

const generated = {
  finish_reason: FinishReason,
  generated_tokens: count,
  seed,
  prefill: z.array(PrefillToken).optional(),
  tokens: z.array(Token).optional(),
};

/** A further generation of `best_of`. */
export const BestOfSequence = z.object({
  generated_text: piece,
  ...generated,
  top_tokens: z.array(z.array(Token)).optional(),
  accounting,
}).meta({ id: "BestOfSequence" });

/** Details of a whole generation. */
export const Details = z.object({
  ...generated,
  best_of_sequences: z.array(BestOfSequence).optional(),
  top_tokens: z.array(z.array(Token)).optional(),
  accounting,
}).meta({ id: "Details" });

/** Body of `POST /generate`. */
export const GenerateResponse = z.object({
  generated_text: piece,
  details: Details.optional(),
}).meta({ id: "GenerateResponse" });

/** Details in the last event of a stream. */
export const StreamDetails = z.object({
  finish_reason: FinishReason,
  generated_tokens: count,
  seed,
  input_length: count.optional(),
  accounting,
}).meta({ id: "StreamDetails" });

/** One event of a stream. */
export const StreamResponse = z.object({
  index: count.optional(),
  token: Token,
  top_tokens: z.array(Token).optional(),
  generated_text: z.string().nullable().optional().meta({ default: "null", example: "test" }),
  details: StreamDetails.nullable().optional().meta({
    nullable: true,
    description: "null unless it is the last event and `details` was asked for",
  }),
}).meta({ id: "StreamResponse" });

/** Body of every error. */
export const ErrorResponse = z.object({
  error: z.string(),
  error_type: z.string().optional().meta({ example: "validation" }),
}).meta({ id: "ErrorResponse" });

/** Body of `GET /info`. */
export const Info = z.object({
  model_id: z.string().meta({ example: "bigscience/bloom-560m" }),
  model_sha: z.string().nullable(),
  model_pipeline_tag: z.string().nullable(),
  max_concurrent_requests: count,
  max_best_of: count,
  max_stop_sequences: count,
  max_input_tokens: count,
  max_total_tokens: count,
  validation_workers: count,
  max_client_batch_size: count,
  router: z.string(),
  version: z.string(),
  sha: z.string().nullable(),
  docker_label: z.string().nullable(),
  model_dtype: z.string().meta({ example: "float32" }),
  model_device_type: z.string().meta({ example: "cpu" }),
  adapters: z.array(z.string()).optional()
    .meta({ description: "Extension: values of `adapter_id`, where adapters are loaded" }),
}).meta({ id: "Info" });

/** A token of `POST /tokenize`; offsets are UTF-8 bytes of the text. */
export const SimpleToken = z.object({ id, text: piece, start: count, stop: count })
  .meta({ id: "SimpleToken" });

/** Body of `POST /chat_tokenize`. */
export const ChatTokenizeResponse = z.object({
  tokenize_response: z.array(SimpleToken),
  templated_text: z.string(),
}).meta({ id: "ChatTokenizeResponse" });
