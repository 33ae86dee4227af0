/** Brings each record to the sink of its request. */

import type { Ending, RecordHandler } from "./records.ts";
import type {
  AcceptedRecord,
  FailedRecord,
  GeneratedRecord,
  RequestSink,
  StepRecord,
  TokenRecord,
} from "./types.ts";

interface OpenRequest {
  readonly id: number;
  readonly sink: RequestSink;
  /** Pieces of the generated text, or of the prompt of a conversation, so far. */
  text: string;
  /** Whether it had a record since the last flush. */
  touched: boolean;
  /** Whether it was cancelled: its sink gets nothing more. */
  muted: boolean;
}

/** The open requests. A sink that throws ends its own request and no other. */
export class Dispatcher implements RecordHandler {
  /** Called for every engine step. */
  onStep: (step: StepRecord) => void = () => {};
  /** Called with what a sink or `onStep` threw. */
  onError: (error: unknown) => void = () => {};

  readonly #open = new Map<number, OpenRequest>();
  readonly #touched: OpenRequest[] = [];
  readonly #cancel: (id: number) => void;

  /** @param cancel Ends a request in the core. */
  constructor(cancel: (id: number) => void) {
    this.#cancel = cancel;
  }

  /** From now on `sink` gets the records of request `id`. */
  add(id: number, sink: RequestSink): void {
    this.#open.set(id, { id, sink, text: "", touched: false, muted: false });
  }

  /** Cancels request `id`; its sink gets nothing more. Returns whether it was open. */
  cancel(id: number): boolean {
    const request = this.#open.get(id);
    if (request === undefined) return false;
    request.muted = true;
    this.#open.delete(id);
    this.#cancel(id);
    return true;
  }

  /** Whether request `id` has not ended. */
  has(id: number): boolean {
    return this.#open.has(id);
  }

  /** Tells every sink that had a record since the last call that there are no more for now. */
  flush(): void {
    for (const request of this.#touched) {
      request.touched = false;
      if (!request.muted) this.#give(request, ({ sink }) => sink.flush());
    }
    this.#touched.length = 0;
  }

  /** Ends every open request with a failure. */
  failAll(record: FailedRecord): void {
    for (const id of [...this.#open.keys()]) this.failed(id, record);
    this.flush();
  }

  accepted(id: number, record: AcceptedRecord): void {
    this.#deliver(id, ({ sink }) => sink.accepted(record));
  }

  prefill(id: number, tokens: readonly TokenRecord[]): void {
    this.#deliver(id, ({ sink }) => sink.prefill(tokens));
  }

  token(id: number, record: GeneratedRecord): void {
    this.#deliver(id, ({ sink }) => sink.token(record));
  }

  text(id: number, text: string): void {
    this.#deliver(id, (request) => {
      request.text += text;
    });
  }

  done(id: number, ending: Ending): void {
    this.#deliver(id, ({ sink, text }) => {
      this.#open.delete(id);
      sink.done({ ...ending, generatedText: text });
    });
  }

  rendered(id: number): void {
    this.#deliver(id, ({ sink, text }) => {
      this.#open.delete(id);
      sink.rendered?.(text);
    });
  }

  failed(id: number, record: FailedRecord): void {
    this.#deliver(id, ({ sink }) => {
      this.#open.delete(id);
      sink.failed(record);
    });
  }

  step(record: StepRecord): void {
    this.#guard(() => this.onStep(record));
  }

  /** Records that were on their way when their request was cancelled find nobody. */
  #deliver(id: number, give: (request: OpenRequest) => void): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    if (!request.touched) {
      request.touched = true;
      this.#touched.push(request);
    }
    this.#give(request, give);
  }

  #give(request: OpenRequest, give: (request: OpenRequest) => void): void {
    if (this.#guard(() => give(request))) return;
    request.muted = true;
    this.cancel(request.id);
  }

  #guard(call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      this.onError(error);
      return false;
    }
  }
}
