/** Several generations as one stream of server-sent events, interleaved as their steps come. */

import type {
  AcceptedRecord,
  DoneRecord,
  FailedRecord,
  GeneratedRecord,
  RequestSink,
  TextEngine,
  TokenRecord,
} from "../../ffi/types.ts";
import { errorOfFailure, IncompleteGenerationError, type TgiError } from "../errors.ts";
import { EventStream, type EventStreamListener } from "../sse.ts";
import type { Member } from "./pieces.ts";

/** How pieces become events. */
export interface PieceStreamOptions<Piece> {
  /** Silence after which the stream gets a comment, ms. */
  readonly keepAliveMillis: number;
  /** Framed events before the first piece of a generation. */
  readonly opening: (index: number) => string;
  /** The framed event of a piece. */
  readonly encode: (index: number, piece: Piece) => string;
  /** Framed events after all generations, in the order of the members. */
  readonly closing: (done: readonly DoneRecord[]) => string;
  /** The framed event of an error that comes after the first event. */
  readonly failure: (error: TgiError) => string;
}

/**
 * Runs all members and resolves with the body of a 200 as soon as that status is certain: at the
 * first token, or at the first keep-alive comment. Rejects with a `TgiError` when one fails before.
 * When one fails later, or the reader leaves, all others are freed.
 */
export async function streamPieces<Piece>(
  engine: TextEngine,
  members: readonly Member<Piece>[],
  signal: AbortSignal,
  options: PieceStreamOptions<Piece>,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const stream = new PieceStream(members, options);
  members.forEach((member, index) => {
    try {
      const sink = new MemberSink(stream, member, index);
      member.open.submit(engine, member.job, sink, signal, () => stream.gone());
    } catch (error) {
      member.open.fail(error);
      stream.abandon();
      throw error;
    }
  });
  await stream.ready.promise;
  return stream.events.body;
}

/** What the members share. */
class PieceStream<Piece> implements EventStreamListener {
  readonly ready = Promise.withResolvers<void>();
  readonly events: EventStream;
  readonly #ended: DoneRecord[] = [];
  #open: number;
  #pending = "";

  constructor(
    readonly members: readonly Member<Piece>[],
    readonly options: PieceStreamOptions<Piece>,
  ) {
    this.#open = members.length;
    this.events = new EventStream(this, options.keepAliveMillis);
  }

  append(events: string): void {
    this.#pending += events;
  }

  flush(): void {
    if (this.#pending === "") return;
    this.events.write(this.#pending);
    this.#pending = "";
  }

  memberDone(index: number, record: DoneRecord): void {
    this.#ended[index] = record;
    this.#open -= 1;
    if (this.#open > 0) return;
    this.append(this.options.closing(this.#ended));
    this.flush();
    this.events.close();
  }

  memberFailed(error: TgiError): void {
    for (const { open } of this.members) open.drop();
    if (!this.events.isOpen && this.#pending === "") this.ready.reject(error);
    else this.append(this.options.failure(error));
    this.flush();
    this.events.close();
  }

  /** The client left; its body may not have been taken up yet. */
  gone(): void {
    this.ready.reject(new IncompleteGenerationError());
    this.abandon();
  }

  /** Frees every generation and ends the body. */
  abandon(): void {
    for (const { open } of this.members) open.drop();
    this.events.close();
  }

  opened(): void {
    this.ready.resolve();
  }

  cancelled(): void {
    for (const { open } of this.members) open.drop();
  }

  congested(): void {
    for (const { open } of this.members) open.pause();
  }

  drained(): void {
    for (const { open } of this.members) open.resume();
  }
}

/** Takes the records of one member. */
class MemberSink<Piece> implements RequestSink {
  #hasOpened = false;

  constructor(
    readonly stream: PieceStream<Piece>,
    readonly member: Member<Piece>,
    readonly index: number,
  ) {}

  accepted(record: AcceptedRecord): void {
    this.member.open.accepted(record);
  }

  prefill(tokens: readonly TokenRecord[]): void {
    this.member.reader.prefill(tokens);
  }

  token(record: GeneratedRecord): void {
    this.#append(this.member.reader.token(record));
  }

  done(record: DoneRecord): void {
    this.#append(this.member.reader.done(record));
    this.member.open.succeed(record);
    this.stream.memberDone(this.index, record);
  }

  failed(record: FailedRecord): void {
    const error = errorOfFailure(record);
    if (record.kind === "abandoned") this.member.open.drop();
    this.member.open.fail(error);
    this.stream.memberFailed(error);
  }

  flush(): void {
    this.stream.flush();
  }

  #append(pieces: readonly Piece[]): void {
    const { options } = this.stream;
    if (!this.#hasOpened) this.stream.append(options.opening(this.index));
    this.#hasOpened = true;
    for (const piece of pieces) this.stream.append(options.encode(this.index, piece));
  }
}
