/** One request from its arrival to its end: its permit, its job in the core, its metrics. */

import type {
  AcceptedRecord,
  DoneRecord,
  GenerateJob,
  RequestSink,
  TextEngine,
} from "../../ffi/types.ts";
import { type ErrorType, TgiError } from "../errors.ts";
import type { FailureReason, Metrics } from "../metrics/metrics.ts";
import { type Caller, NOBODY } from "../caller.ts";
import type { Permit, Permits } from "../permits.ts";
import { logDropped, logFailure, logSuccess } from "./request_log.ts";
import { type Timings, timingsOf } from "./timings.ts";

/** TGI's labels of its error types; any other error is an incomplete generation. */
const REASONS: Partial<Record<ErrorType, FailureReason>> = {
  overloaded: "overloaded",
  validation: "validation",
  tool_error: "validation",
  template_error: "template",
  generation: "generation",
};

/** The label under which an error is counted. */
function reasonOf(error: unknown): FailureReason {
  return (error instanceof TgiError && REASONS[error.errorType]) || "incomplete";
}

/** A request that holds a permit. It ends once; whatever comes after its end is ignored. */
export class OpenRequest {
  readonly #arrivedAt = performance.now();
  #submittedAt = this.#arrivedAt;
  #validation = 0;
  #job: { readonly engine: TextEngine; readonly id: number } | null = null;
  #ended = false;
  #unlisten: () => void = () => {};

  private constructor(
    readonly metrics: Metrics,
    readonly permit: Permit,
    readonly caller: Caller,
  ) {}

  /** Counts the request and takes its permit; throws `OverloadedError` when none is free. */
  static admit(metrics: Metrics, permits: Permits, caller: Caller = NOBODY): OpenRequest {
    metrics.arrived();
    try {
      return new OpenRequest(metrics, permits.acquire(), caller);
    } catch (error) {
      metrics.failed(reasonOf(error));
      logFailure(error, caller);
      throw error;
    }
  }

  /**
   * Admits what `first` asks for beyond itself, so that there are `count`: one permit for each
   * generation, all or none. Throws `OverloadedError` when too few permits are free.
   */
  static admitAll(first: OpenRequest, permits: Permits, count: number): OpenRequest[] {
    const all = [first];
    try {
      while (all.length < count) {
        all.push(OpenRequest.admit(first.metrics, permits, first.caller));
      }
      return all;
    } catch (error) {
      for (const open of all) open.fail(error);
      throw error;
    }
  }

  /**
   * Gives the job to the core, unless the request has ended with others of its group. When `signal`
   * aborts, the request is dropped and `gone` called.
   */
  submit(
    engine: TextEngine,
    job: GenerateJob,
    sink: RequestSink,
    signal: AbortSignal,
    gone: () => void,
  ): void {
    if (this.#ended) return gone();
    this.#submittedAt = performance.now();
    this.#job = { engine, id: engine.submit(this.#salted(job), sink) };
    const abort = () => {
      this.drop();
      gone();
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#unlisten = () => signal.removeEventListener("abort", abort);
    if (signal.aborted) abort();
  }

  /** The core took the job. */
  accepted(record: AcceptedRecord): void {
    this.#validation = this.#submittedAt - this.#arrivedAt + record.validationMicros / 1000;
    this.metrics.accepted(record);
  }

  /** The job ended well; tells where the time went. */
  succeed(done: DoneRecord): Timings {
    const clock = { arrivedAt: this.#arrivedAt, validation: this.#validation };
    const timings = timingsOf(done, clock);
    if (this.#end()) {
      this.metrics.succeeded(done, timings);
      logSuccess(done, timings, this.caller);
    }
    return timings;
  }

  /** The request ended with an error, before or in the core. */
  fail(error: unknown): void {
    if (!this.#end()) return;
    this.metrics.failed(reasonOf(error));
    logFailure(error, this.caller);
  }

  /** The client is gone or too slow: frees the sequence. */
  drop(): void {
    if (!this.#end()) return;
    this.#job?.engine.cancel(this.#job.id);
    this.metrics.failed("dropped");
    logDropped(this.caller);
  }

  /** Holds the sequence while its reader is behind. */
  pause(): void {
    if (!this.#ended) this.#job?.engine.pause(this.#job.id);
  }

  /** Lets a paused sequence go on. */
  resume(): void {
    if (!this.#ended) this.#job?.engine.resume(this.#job.id);
  }

  /** Prompts of one key are cached apart from those of another. */
  #salted(job: GenerateJob): GenerateJob {
    const { cacheSalt } = this.caller;
    return cacheSalt === null ? job : { ...job, cache_salt: cacheSalt };
  }

  /** Whether this call ended the request. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.permit.release();
    this.#unlisten();
    return true;
  }
}
