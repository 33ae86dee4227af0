/** Several generations run to their ends, for one whole answer. */

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
import type { Member } from "./pieces.ts";
import type { Timings } from "./timings.ts";

/** An ended generation. */
export interface Gathered<Piece> {
  readonly pieces: readonly Piece[];
  readonly done: DoneRecord;
  readonly timings: Timings;
  /** Sum of the logprobs by tokens: what best_of goes by. */
  readonly meanLogprob: number;
}

/**
 * Runs all members; resolves when the last has ended, in the order of `members`. When one fails,
 * or `signal` aborts, the others are freed and the promise rejects.
 */
export async function gather<Piece>(
  engine: TextEngine,
  members: readonly Member<Piece>[],
  signal: AbortSignal,
): Promise<Gathered<Piece>[]> {
  const runs: Promise<Gathered<Piece>>[] = [];
  try {
    for (const member of members) runs.push(run(engine, member, signal));
    return await Promise.all(runs);
  } catch (error) {
    for (const { open } of members) open.drop();
    throw error;
  }
}

function run<Piece>(
  engine: TextEngine,
  member: Member<Piece>,
  signal: AbortSignal,
): Promise<Gathered<Piece>> {
  const sink = new GatherSink(member);
  const gone = () => sink.result.reject(new IncompleteGenerationError());
  try {
    member.open.submit(engine, member.job, sink, signal, gone);
  } catch (error) {
    member.open.fail(error);
    throw error;
  }
  return sink.result.promise;
}

class GatherSink<Piece> implements RequestSink {
  readonly result = Promise.withResolvers<Gathered<Piece>>();
  readonly #pieces: Piece[] = [];
  #logprobs = 0;

  constructor(readonly member: Member<Piece>) {}

  accepted(record: AcceptedRecord): void {
    this.member.open.accepted(record);
  }

  prefill(tokens: readonly TokenRecord[]): void {
    this.member.reader.prefill(tokens);
  }

  token(record: GeneratedRecord): void {
    this.#logprobs += record.token.logprob;
    this.#pieces.push(...this.member.reader.token(record));
  }

  done(record: DoneRecord): void {
    this.#pieces.push(...this.member.reader.done(record));
    const timings = this.member.open.succeed(record);
    const meanLogprob = this.#logprobs / Math.max(record.generatedTokens, 1);
    this.result.resolve({ pieces: this.#pieces, done: record, timings, meanLogprob });
  }

  failed(record: FailedRecord): void {
    const error = errorOfFailure(record);
    this.member.open.fail(error);
    this.result.reject(error);
  }

  flush(): void {}
}
