/** Response headers of a generation: TGI's, in its names and order, then this server's own. */

import type { DoneRecord } from "../../ffi/types.ts";
import type { Timings } from "./timings.ts";

/** What a header says, as the served document has it. */
export interface HeaderMeaning {
  readonly type: "string" | "integer" | "number";
  readonly description: string;
}

const text = (description: string): HeaderMeaning => ({ type: "string", description });
const count = (description: string): HeaderMeaning => ({ type: "integer", description });

/** Every header that an answer may have beside HTTP's own. */
export const responseHeaders: Readonly<Record<string, HeaderMeaning>> = {
  "x-compute-type": text("What computes"),
  "x-compute-time": { type: "number", description: "Arrival to end, s" },
  "x-compute-characters": count("Unicode characters of the prompt"),
  "x-total-time": count("Arrival to end, ms"),
  "x-validation-time": count("Arrival to queue, ms"),
  "x-queue-time": count("Queue to first step, ms"),
  "x-inference-time": count("First step to last token, ms"),
  "x-time-per-token": count("Inference by generated tokens, ms"),
  "x-prompt-tokens": count("Tokens of the prompt"),
  "x-generated-tokens": count("Tokens of the text"),
  "x-prefill-time": count("First step to first token, ms"),
  "x-decode-time": count("First token to last token, ms"),
  "x-cached-tokens": count("Prompt tokens that the prefix cache held"),
  "x-drafted-tokens": count("Tokens that speculation proposed"),
  "x-accepted-tokens": count("Drafted tokens that were right"),
  "x-request-id": text("The client's own where it sends a valid one; also in the log"),
  "x-ignored-params": text("Fields of the body that change nothing"),
};

/** What browsers may read of a response from another origin. */
export const exposedHeaders: readonly string[] = Object.keys(responseHeaders);

/** Headers known before the first token. */
export function computeHeaders(computeType: string, characters: number): Record<string, string> {
  return { "x-compute-type": computeType, "x-compute-characters": String(characters) };
}

/** Headers of a whole generation: `x-compute-time` in s, the other times in whole ms. */
export function generationHeaders(
  computeType: string,
  characters: number,
  done: DoneRecord,
  timings: Timings,
): Record<string, string> {
  const millis = (time: number) => String(Math.floor(time));
  return {
    "x-compute-type": computeType,
    "x-compute-time": String(timings.total / 1000),
    "x-compute-characters": String(characters),
    "x-total-time": millis(timings.total),
    "x-validation-time": millis(timings.validation),
    "x-queue-time": millis(timings.queue),
    "x-inference-time": millis(timings.inference),
    "x-time-per-token": millis(timings.perToken),
    "x-prompt-tokens": String(done.promptTokens),
    "x-generated-tokens": String(done.generatedTokens),
    "x-prefill-time": millis(timings.prefill),
    "x-decode-time": millis(timings.decode),
    "x-cached-tokens": String(done.cachedTokens),
    "x-drafted-tokens": String(done.draftedTokens),
    "x-accepted-tokens": String(done.acceptedTokens),
  };
}
