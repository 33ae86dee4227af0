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
import {
  arrayJson,
  bestOfSequenceJson,
  detailsJson,
  type GenerationParts,
  prefillTokenJson,
  tokenJson,
} from "./wire.ts";

/** An ended generation. */
export interface Collected {
  /** The text, with the prompt where that was asked for. */
  readonly text: string;
  /** Null unless details were asked for. */
  readonly parts: GenerationParts | null;
  readonly done: DoneRecord;
  readonly timings: Timings;
  /** Sum of the logprobs by tokens: what best_of goes by. */
  readonly meanLogprob: number;
}

/** TGI's `GenerateResponse`, JSON; `others` are the further sequences of best_of. */
export function responseJson(best: Collected, others: readonly Collected[]): string {
  const text = JSON.stringify(best.text);
  if (best.parts === null) return `{"generated_text":${text}}`;
  const bestOf = others.length === 0 ? null : others.map(sequenceJson);
  return `{"generated_text":${text},"details":${
    detailsJson(best.done, { ...best.parts, bestOf })
  }}`;
}

function sequenceJson({ text, parts, done }: Collected): string {
  const none = { prefill: [], tokens: [], topTokens: null, accounting: false };
  return bestOfSequenceJson(text, done, parts ?? none);
}

/**
 * Runs one job for each of `opens`, likeliest first. When one fails, or `signal` aborts, the others
 * are freed and the promise rejects.
 */
export async function collectBestOf(
  engine: TextEngine,
  opens: readonly OpenRequest[],
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<[Collected, ...Collected[]]> {
  const runs: Promise<Collected>[] = [];
  try {
    for (const open of opens) runs.push(collect(engine, open, request, signal));
    const all = await Promise.all(runs);
    return all.toSorted((a, b) => b.meanLogprob - a.meanLogprob) as [Collected, ...Collected[]];
  } catch (error) {
    opens[runs.length]?.fail(error);
    for (const open of opens) open.drop();
    throw error;
  }
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
  #logprobs = 0;

  constructor(readonly open: OpenRequest, readonly request: GenerationRequest) {}

  accepted(record: AcceptedRecord): void {
    this.open.accepted(record);
  }

  prefill(tokens: readonly TokenRecord[]): void {
    for (const token of tokens) this.#prefill.push(prefillTokenJson(token));
  }

  token(record: GeneratedRecord): void {
    this.#logprobs += record.token.logprob;
    if (!this.request.details) return;
    this.#tokens.push(tokenJson(record.token));
    this.#topTokens.push(arrayJson(record.top.map(tokenJson)));
  }

  done(record: DoneRecord): void {
    const timings = this.open.succeed(record);
    this.result.resolve({
      text: this.request.prompt + record.generatedText,
      parts: this.request.details ? this.#parts() : null,
      done: record,
      timings,
      meanLogprob: this.#logprobs / Math.max(record.generatedTokens, 1),
    });
  }

  failed(record: FailedRecord): void {
    const error = errorOfFailure(record);
    this.open.fail(error);
    this.result.reject(error);
  }

  flush(): void {}

  #parts(): GenerationParts {
    return {
      prefill: this.#prefill,
      tokens: this.#tokens,
      topTokens: this.request.topTokens ? this.#topTokens : null,
      accounting: this.request.accounting,
    };
  }
}
