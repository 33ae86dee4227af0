/** Whether the core can generate. TGI's health check (`router/src/infer/mod.rs`, `health.rs`). */

import type { GenerateJob, RequestSink, StepRecord, TextEngine } from "../ffi/types.ts";

/** One greedy token, as TGI asks for. */
const PROBE: GenerateJob = {
  inputs: "liveness",
  parameters: { do_sample: false, max_new_tokens: 1, stop: [] },
};

/** Longest wait for the probe's token, ms. */
const PROBE_LIMIT_MILLIS = 10_000;

/**
 * Answers from what the steps have shown: after a failed step the core is in doubt, and the next
 * check generates one token, until a step succeeds.
 */
export class Liveness {
  #inDoubt = false;
  #probe: Promise<void> | null = null;

  constructor(
    readonly engine: TextEngine,
    readonly probeLimitMillis: number = PROBE_LIMIT_MILLIS,
  ) {}

  /** Takes note of an engine step. */
  stepped(step: StepRecord): void {
    this.#inDoubt = step.failed;
  }

  /** Whether a request that came now would be answered. Checks at the same time share a probe. */
  async check(): Promise<boolean> {
    if (!this.engine.alive) return false;
    if (!this.#inDoubt) return true;
    this.#probe ??= this.#generate().finally(() => {
      this.#probe = null;
    });
    await this.#probe;
    return this.engine.alive && !this.#inDoubt;
  }

  /** Generates one token; done, failed or late, it resolves. */
  async #generate(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const nothing = () => {};
    const sink: RequestSink = {
      accepted: nothing,
      prefill: nothing,
      token: nothing,
      done: () => {
        this.#inDoubt = false;
        resolve();
      },
      failed: () => resolve(),
      flush: nothing,
    };
    let id: number;
    try {
      id = this.engine.submit(PROBE, sink);
    } catch {
      return;
    }
    const limit = setTimeout(() => {
      this.engine.cancel(id);
      resolve();
    }, this.probeLimitMillis);
    await promise;
    clearTimeout(limit);
  }
}
