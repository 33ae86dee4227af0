/** A generation as server-sent events, one event a token, one write a step. */

import type {
  AcceptedRecord,
  DoneRecord,
  FailedRecord,
  GeneratedRecord,
  RequestSink,
  TextEngine,
} from "../../ffi/types.ts";
import { errorOfFailure, IncompleteGenerationError, type TgiError } from "../errors.ts";
import { event, EventStream, type EventStreamListener } from "../sse.ts";
import type { OpenRequest } from "./open_request.ts";
import type { GenerationRequest } from "./request.ts";
import { streamDetailsJson, streamEventJson } from "./wire.ts";

/** How a stream behaves. */
export interface StreamOptions {
  /** Silence after which the stream gets a comment, ms. */
  readonly keepAliveMillis: number;
  /** TGI's own way: the status is 200 whatever comes. */
  readonly errorsAsEvents: boolean;
}

/**
 * Runs the job and resolves with the body of a 200 as soon as that status is certain: at the
 * first token, or at the first keep-alive comment, for proxies give up on a silent server.
 * Rejects with a `TgiError` when the job fails before.
 */
export async function stream(
  engine: TextEngine,
  open: OpenRequest,
  request: GenerationRequest,
  signal: AbortSignal,
  options: StreamOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const writer = new StreamWriter(open, request, options.keepAliveMillis);
  try {
    open.submit(engine, request.job, writer, signal, () => writer.gone());
  } catch (error) {
    writer.events.close();
    throw error;
  }
  if (options.errorsAsEvents) writer.events.open();
  await writer.ready.promise;
  return writer.events.body;
}

/**
 * Turns records into events. The last token is kept back until the end of its generation, which
 * may come a poll later: TGI puts the whole text and the details into its event.
 */
class StreamWriter implements RequestSink, EventStreamListener {
  readonly ready = Promise.withResolvers<void>();
  readonly events: EventStream;
  #pending = "";
  #last: GeneratedRecord | null = null;

  constructor(
    readonly open: OpenRequest,
    readonly request: GenerationRequest,
    keepAliveMillis: number,
  ) {
    this.events = new EventStream(this, keepAliveMillis);
  }

  accepted(record: AcceptedRecord): void {
    this.open.accepted(record);
  }

  prefill(): void {}

  token(record: GeneratedRecord): void {
    if (record.last) this.#last = record;
    else this.#append(streamEventJson(record, this.request.topTokens));
  }

  done(record: DoneRecord): void {
    const last = this.#last;
    if (last === null) return this.#fail(new IncompleteGenerationError());
    const end = {
      generatedText: this.request.prompt + record.generatedText,
      details: this.request.details ? streamDetailsJson(record, this.request.accounting) : null,
    };
    this.#append(streamEventJson(last, this.request.topTokens, end));
    this.open.succeed(record);
    this.#finish();
  }

  failed(record: FailedRecord): void {
    if (record.kind === "abandoned") this.open.drop();
    this.#fail(errorOfFailure(record));
  }

  flush(): void {
    if (this.#pending === "") return;
    this.events.write(this.#pending);
    this.#pending = "";
  }

  opened(): void {
    this.ready.resolve();
  }

  cancelled(): void {
    this.open.drop();
  }

  congested(): void {
    this.open.pause();
  }

  drained(): void {
    this.open.resume();
  }

  /** The client left; its body may not have been taken up yet. */
  gone(): void {
    this.ready.reject(new IncompleteGenerationError());
    this.events.close();
  }

  #fail(error: TgiError): void {
    this.open.fail(error);
    if (this.#last !== null) this.#append(streamEventJson(this.#last, this.request.topTokens));
    if (!this.events.isOpen && this.#pending === "") this.ready.reject(error);
    else this.#append(JSON.stringify(error.body()));
    this.#finish();
  }

  #finish(): void {
    this.flush();
    this.events.close();
  }

  #append(json: string): void {
    this.#pending += event(json);
  }
}
