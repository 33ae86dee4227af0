/** What happens in the server, told to the instruments. */

import { PAGE_TOKENS } from "../../ffi/page.ts";
import type { AcceptedRecord, DoneRecord, StepRecord } from "../../ffi/types.ts";
import {
  createInstruments,
  type failureReasons,
  type InstrumentLimits,
  type Instruments,
} from "./instruments.ts";
import type { Timings } from "../generation/timings.ts";

/** Why a request ended without an answer. */
export type FailureReason = (typeof failureReasons)[number];

/** The metrics of one server. */
export class Metrics {
  readonly #instruments: Instruments;
  #open = 0;

  constructor(limits: InstrumentLimits) {
    this.#instruments = createInstruments(limits);
  }

  /** The Prometheus text format. */
  text(): Promise<string> {
    return this.#instruments.registry.metrics();
  }

  /** A request reached its route. */
  arrived(): void {
    this.#open += 1;
    this.#instruments.request.count.inc();
  }

  /** The core took the request. */
  accepted(record: AcceptedRecord): void {
    this.#instruments.request.inputLength.observe(record.promptTokens);
    this.#instruments.request.maxNewTokens.observe(record.maxNewTokens);
  }

  /** The request ended with an answer. Times in ms. */
  succeeded(done: DoneRecord, timings: Timings): void {
    const { request } = this.#instruments;
    request.success.inc();
    request.duration.observe(timings.total / 1000);
    request.validation.observe(timings.validation / 1000);
    request.queue.observe(timings.queue / 1000);
    request.inference.observe(timings.inference / 1000);
    request.timePerToken.observe(timings.perToken / 1000);
    request.generatedTokens.observe(done.generatedTokens);
    this.#ended();
  }

  /** The request ended without an answer. */
  failed(err: FailureReason): void {
    this.#instruments.request.failure.inc({ err });
    this.#ended();
  }

  /**
   * An engine step. A step that computes any prompt token counts as a prefill, the decodes merged
   * into it included, as TGI counts its own merged prefills; every other step is a decode.
   */
  stepped(step: StepRecord): void {
    const { batch, request } = this.#instruments;
    const method = step.prefillTokens > 0 ? "prefill" : "decode";
    batch.count.inc({ method });
    (step.failed ? batch.failure : batch.success).inc({ method });
    if (!step.failed) {
      batch.inference.observe({ method }, (step.forwardMicros + step.sampleMicros) / 1e6);
      batch.forward.observe({ method }, step.forwardMicros / 1e6);
      batch.decode.observe({ method }, step.sampleMicros / 1e6);
      batch.filter.observe({ method }, 0);
    }
    if (step.admitted > 0) {
      batch.nextSize.observe(step.admitted);
      const isMerged = step.decodeSequences > 0;
      if (isMerged) batch.concat.inc({ reason: "chunking" });
      if (isMerged) batch.concatDuration.observe({ method: "decode" }, 0);
    }
    if (step.decodeSequences > 0) request.skippedTokens.observe(step.acceptedTokens);
    batch.queueSize.set(step.waiting);
    batch.currentSize.set(step.running);
    batch.currentMaxTokens.set(step.maxTokens);
    batch.totalTokens.set(step.pagesUsed * PAGE_TOKENS);
  }

  /** The last request may end between steps, by a cancel: then no step sets the gauges. */
  #ended(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    const { queueSize, currentSize, currentMaxTokens, totalTokens } = this.#instruments.batch;
    for (const gauge of [queueSize, currentSize, currentMaxTokens, totalTokens]) gauge.set(0);
  }
}
