/**
 * Server-sent events: framing, encoding and a response body that a slow reader cannot fill.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */

/** Headers of an event stream; the last keeps proxies from gathering events. */
export const eventStreamHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

/** One event of one line of JSON. */
export function event(json: string): string {
  return `data: ${json}\n\n`;
}

/** A comment, which every client skips. */
const KEEP_ALIVE = ":\n\n";

/** Bytes of a shared block that events are encoded into. */
const ARENA_BYTES = 64 * 1024;

/** Bytes that may wait in a body before the stream counts as full. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Bytes past the high-water mark at which the source is told to pause. */
const CONGESTED_BYTES = 192 * 1024;

/**
 * Encodes text into blocks that many events share: allocating a buffer for each event costs more
 * than the encoding itself. A block lives as long as a body still holds a part of it.
 */
export class TextArena {
  readonly #encoder = new TextEncoder();
  #block = new Uint8Array(ARENA_BYTES);
  #used = 0;

  /** UTF-8 bytes of `text`; a text that may not fit into a block gets its own. */
  encode(text: string): Uint8Array<ArrayBuffer> {
    const worst = text.length * 3;
    if (worst > ARENA_BYTES) return this.#encoder.encode(text);
    if (worst > ARENA_BYTES - this.#used) {
      this.#block = new Uint8Array(ARENA_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    const { written } = this.#encoder.encodeInto(text, this.#block.subarray(start));
    this.#used = start + written;
    return this.#block.subarray(start, this.#used);
  }
}

const arena = new TextArena();

/** What the owner of a stream wants to know. */
export interface EventStreamListener {
  /** The first bytes were written. */
  opened(): void;
  /** The reader is gone; nothing can be written any more. */
  cancelled(): void;
  /** The reader is far behind: write no more until `drained`. */
  congested(): void;
  drained(): void;
}

/** The body of an event stream. */
export class EventStream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #open = false;
  #ended = false;
  #congested = false;
  #lastWrite = performance.now();
  #keepAlive: ReturnType<typeof setTimeout>;

  /** Sends a comment after `keepAliveMillis` without an event, so that no proxy gives up. */
  constructor(
    readonly listener: EventStreamListener,
    readonly keepAliveMillis: number,
  ) {
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#drained(),
      cancel: () => {
        this.#end();
        this.listener.cancelled();
      },
    }, { highWaterMark: HIGH_WATER_BYTES, size: (chunk) => chunk.byteLength });
    this.#keepAlive = setTimeout(() => this.#idle(), keepAliveMillis);
  }

  /** Whether bytes were written: the status of the response is decided. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Writes one or more framed events as one chunk. Nothing happens once the stream has ended. */
  write(events: string): void {
    if (this.#ended) return;
    this.#controller.enqueue(arena.encode(events));
    this.#lastWrite = performance.now();
    this.open();
    if (!this.#congested && (this.#controller.desiredSize ?? 0) < -CONGESTED_BYTES) {
      this.#congested = true;
      this.listener.congested();
    }
  }

  /** Decides for a stream before there is anything to write. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.listener.opened();
  }

  /** Ends the body after what was written. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    this.#controller.close();
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#keepAlive);
  }

  #drained(): void {
    if (!this.#congested || this.#ended) return;
    this.#congested = false;
    this.listener.drained();
  }

  #idle(): void {
    const silent = performance.now() - this.#lastWrite;
    const isDue = silent >= this.keepAliveMillis;
    if (isDue && !this.#congested) this.write(KEEP_ALIVE);
    const next = isDue ? this.keepAliveMillis : this.keepAliveMillis - silent;
    this.#keepAlive = setTimeout(() => this.#idle(), next);
  }
}
