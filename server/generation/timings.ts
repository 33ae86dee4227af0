/** Where the time of one generation went, as TGI divides it. */

import type { DoneRecord } from "../../ffi/types.ts";

/** All in ms. */
export interface Timings {
  /** Arrival to end. */
  readonly total: number;
  /** Arrival to queue. */
  readonly validation: number;
  /** Queue to first step. */
  readonly queue: number;
  /** First step to first token. */
  readonly prefill: number;
  /** First token to last token. */
  readonly decode: number;
  /** First step to last token. */
  readonly inference: number;
  /** Inference by generated tokens. */
  readonly perToken: number;
}

/** Arrival and what the core does not know: times before the job reached it, ms. */
export interface Clock {
  /** `performance.now()` at arrival. */
  readonly arrivedAt: number;
  /** Arrival to queue. */
  readonly validation: number;
}

/** Times of a generation that has just ended. */
export function timingsOf(done: DoneRecord, clock: Clock): Timings {
  const [prefill, decode] = [done.prefillMicros / 1000, done.decodeMicros / 1000];
  const inference = (done.prefillMicros + done.decodeMicros) / 1000;
  return {
    total: performance.now() - clock.arrivedAt,
    validation: clock.validation,
    queue: done.queueMicros / 1000,
    prefill,
    decode,
    inference,
    perToken: inference / Math.max(done.generatedTokens, 1),
  };
}
