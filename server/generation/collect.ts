/** A whole generation in one answer. */

import type {
  AcceptedRecord,
  DoneRecord,
  FailedRecord,
  GeneratedRecord,
  RequestSink,
  TextEngine,
  TokenRecord,
} from "../../ffi/types.ts";
import { errorOfFailure, IncompleteGenerationError } from "../errors.ts";
import type { OpenRequest } from "./open_request.ts";
import type { GenerationRequest } from "./request.ts";
import type { Timings } from "./timings.ts";
import { arrayJson, detailsJson, prefillTokenJson, tokenJson } from "./wire.ts";

/** An ended generation. */
export interface Collected {
  /** TGI's `GenerateResponse`, JSON. */
  readonly json: string;
  readonly done: DoneRecord;
  readonly timings: Timings;
}

/**
 * Runs the job to its end. Rejects with a `TgiError` when it fails. When `signal` aborts, the
 * client is gone: the sequence is freed and the promise rejects.
 */
export function collect(
  engine: TextEngine,
  open: OpenRequest,
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<Collected> {
  const collector = new Collector(open, request);
  open.submit(
    engine,
    request.job,
    collector,
    signal,
    () => collector.result.reject(new IncompleteGenerationError()),
  );
  return collector.result.promise;
}

/** Keeps tokens as JSON, and only when details are asked for. */
class Collector implements RequestSink {
  readonly result = Promise.withResolvers<Collected>();
  readonly #prefill: string[] = [];
  readonly #tokens: string[] = [];
  readonly #topTokens: string[] = [];

  constructor(readonly open: OpenRequest, readonly request: GenerationRequest) {}

  accepted(record: AcceptedRecord): void {
    this.open.accepted(record);
  }

  prefill(tokens: readonly TokenRecord[]): void {
    for (const token of tokens) this.#prefill.push(prefillTokenJson(token));
  }

  token(record: GeneratedRecord): void {
    if (!this.request.details) return;
    this.#tokens.push(tokenJson(record.token));
    this.#topTokens.push(arrayJson(record.top.map(tokenJson)));
  }

  done(record: DoneRecord): void {
    const timings = this.open.succeed(record);
    this.result.resolve({ json: this.#json(record), done: record, timings });
  }

  failed(record: FailedRecord): void {
    const error = errorOfFailure(record);
    this.open.fail(error);
    this.result.reject(error);
  }

  flush(): void {}

  #json(done: DoneRecord): string {
    const text = JSON.stringify(this.request.prompt + done.generatedText);
    if (!this.request.details) return `{"generated_text":${text}}`;
    const details = detailsJson(done, {
      prefill: this.#prefill,
      tokens: this.#tokens,
      topTokens: this.request.topTokens ? this.#topTokens : null,
    });
    return `{"generated_text":${text},"details":${details}}`;
  }
}
