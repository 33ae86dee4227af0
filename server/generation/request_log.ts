/** One line of log for every request that has ended, with the fields of TGI's `generate` span. */

import { getLogger } from "@logtape/logtape";
import type { DoneRecord } from "../../ffi/types.ts";
import type { Caller } from "../caller.ts";
import { TgiError } from "../errors.ts";
import type { Timings } from "./timings.ts";

const log = getLogger(["tgi", "request"]);

/** Times as TGI writes them, in ms. */
function millis(time: number): string {
  return `${time.toFixed(3)}ms`;
}

/** The request was answered: times, and where its tokens came from. */
export function logSuccess(done: DoneRecord, timings: Timings, { requestId }: Caller): void {
  log.info("Success", () => ({
    request_id: requestId,
    total_time: millis(timings.total),
    validation_time: millis(timings.validation),
    queue_time: millis(timings.queue),
    inference_time: millis(timings.inference),
    prefill_time: millis(timings.prefill),
    decode_time: millis(timings.decode),
    time_per_token: millis(timings.perToken),
    seed: done.seed,
    prompt_tokens: done.promptTokens,
    cached_tokens: done.cachedTokens,
    generated_tokens: done.generatedTokens,
    drafted_tokens: done.draftedTokens,
    accepted_tokens: done.acceptedTokens,
    finish_reason: done.finishReason,
  }));
}

/** The client left before its answer, or others of its group failed. */
export function logDropped({ requestId }: Caller): void {
  log.info("Dropped", { request_id: requestId });
}

/** The request was refused (warning) or failed (error). */
export function logFailure(error: unknown, { requestId }: Caller): void {
  const isRefused = error instanceof TgiError && error.status < 500 && error.status !== 424;
  const line = log.with({ request_id: requestId });
  if (isRefused) line.warn`${error}`;
  else line.error`${error}`;
}
