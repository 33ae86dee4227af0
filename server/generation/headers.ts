/** Response headers of a generation: TGI's, in its names and order, then this server's own. */

import type { DoneRecord } from "../../ffi/types.ts";
import type { Timings } from "./timings.ts";

/** What browsers may read of a response from another origin. */
export const exposedHeaders: readonly string[] = [
  "x-compute-type",
  "x-compute-time",
  "x-compute-characters",
  "x-total-time",
  "x-validation-time",
  "x-queue-time",
  "x-inference-time",
  "x-time-per-token",
  "x-prompt-tokens",
  "x-generated-tokens",
  "x-prefill-time",
  "x-decode-time",
  "x-cached-tokens",
  "x-drafted-tokens",
  "x-accepted-tokens",
  "x-request-id",
  "x-ignored-params",
];

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
