/**
 * The wire format of records, as `core-rs/abi/src/record.rs` documents and writes it: little
 * endian, 8-aligned, whole records only.
 */

import type {
  AcceptedRecord,
  DoneRecord,
  FailedRecord,
  FailureKind,
  FinishReason,
  GeneratedRecord,
  StepRecord,
  TokenRecord,
} from "./types.ts";

/** Longest record, bytes. */
export const MAX_RECORD_BYTES = 64 * 1024;

const WORD_BYTES = 8;
const HEADER_BYTES = 16;
const FLAG = 1;
/** Up to this many bytes, ASCII is faster read by hand than by a decoder. */
const SHORT_TEXT_BYTES = 24;

const FINISH_REASONS: readonly FinishReason[] = ["length", "eos_token", "stop_sequence"];
const FAILURE_KINDS: readonly (FailureKind | undefined)[] = [
  undefined,
  "validation",
  "generation",
  "abandoned",
  "incomplete",
  "template",
];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The buffer does not hold whole, well-formed records. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

/** How a generation ended, without the text that came before. */
export type Ending = Omit<DoneRecord, "generatedText">;

/** Takes decoded records; `request` is the id that the job got. */
export interface RecordHandler {
  accepted(request: number, record: AcceptedRecord): void;
  prefill(request: number, tokens: readonly TokenRecord[]): void;
  token(request: number, record: GeneratedRecord): void;
  text(request: number, text: string): void;
  done(request: number, ending: Ending): void;
  rendered(request: number): void;
  failed(request: number, record: FailedRecord): void;
  step(record: StepRecord): void;
}

/** Decodes records out of one buffer, which the core fills again and again. */
export class RecordReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** Next byte to read. */
  #at = 0;
  /** End of the record being read. */
  #end = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Hands the records in the first `length` bytes to `handler`, in order.
   *
   * @throws RecordError at the first record that is cut off or malformed.
   */
  read(length: number, handler: RecordHandler): void {
    if (length > this.#bytes.length) {
      throw new RecordError(`Cannot read ${length} bytes of a buffer of ${this.#bytes.length}`);
    }
    let start = 0;
    while (start < length) {
      if (length - start < HEADER_BYTES) {
        throw new RecordError(`Cannot read the record at byte ${start}: ${length - start} bytes`);
      }
      const size = this.#view.getUint32(start, true);
      const malformed = size < HEADER_BYTES || size > MAX_RECORD_BYTES || size % WORD_BYTES !== 0;
      if (malformed || size > length - start) {
        throw new RecordError(
          `Cannot read the record at byte ${start}: length ${size}, ${length - start} bytes left`,
        );
      }
      this.#at = start + HEADER_BYTES;
      this.#end = start + size;
      this.#record(start, handler);
      if (this.#at !== this.#end) {
        throw new RecordError(
          `Cannot read the record at byte ${start}: ${this.#end - this.#at} bytes are left over`,
        );
      }
      start = this.#end;
    }
  }

  #record(start: number, handler: RecordHandler): void {
    const kind = this.#view.getUint8(start + 4);
    const flagged = (this.#view.getUint8(start + 5) & FLAG) !== 0;
    const request = this.#view.getUint32(start + 8, true);
    const aux = this.#view.getUint32(start + 12, true);
    switch (kind) {
      case 1:
        return handler.accepted(request, this.#accepted());
      case 2:
        return handler.prefill(request, this.#entries(this.#count()));
      case 3:
        return handler.token(request, this.#token(aux, flagged));
      case 4:
        return handler.text(request, this.#text(this.#count()));
      case 5:
        return handler.done(request, this.#ending(aux, flagged));
      case 6:
        return handler.failed(request, this.#failed(aux));
      case 7:
        return handler.step(this.#step(flagged));
      case 8:
        return handler.rendered(request);
      default:
        throw new RecordError(`Cannot read the record at byte ${start}: kind ${kind} is unknown`);
    }
  }

  #accepted(): AcceptedRecord {
    return {
      promptTokens: this.#u32(),
      maxNewTokens: this.#u32(),
      validationMicros: this.#f64(),
    };
  }

  #token(index: number, last: boolean): GeneratedRecord {
    const count = this.#count();
    return { index, last, token: this.#entry(), top: this.#entries(count) };
  }

  #ending(aux: number, hasSeed: boolean): Ending {
    const finishReason = FINISH_REASONS[aux];
    if (finishReason === undefined) {
      throw new RecordError(`Cannot read a finish reason from ${aux}`);
    }
    const generatedTokens = this.#u32();
    const promptTokens = this.#u32();
    const cachedTokens = this.#u32();
    const draftedTokens = this.#u32();
    const acceptedTokens = this.#u32();
    this.#u32();
    const seed = this.#u64();
    return {
      finishReason,
      seed: hasSeed ? seed : null,
      promptTokens,
      cachedTokens,
      generatedTokens,
      draftedTokens,
      acceptedTokens,
      queueMicros: this.#f64(),
      prefillMicros: this.#f64(),
      decodeMicros: this.#f64(),
    };
  }

  #failed(aux: number): FailedRecord {
    const kind = FAILURE_KINDS[aux];
    if (kind === undefined) throw new RecordError(`Cannot read a failure kind from ${aux}`);
    return { kind, message: this.#text(this.#count()) };
  }

  #step(failed: boolean): StepRecord {
    const prefillTokens = this.#u32();
    const decodeSequences = this.#u32();
    const admitted = this.#u32();
    const running = this.#u32();
    const waiting = this.#u32();
    const maxTokens = this.#u32();
    const pagesUsed = this.#u32();
    const pagesCached = this.#u32();
    const acceptedTokens = this.#u32();
    this.#u32();
    return {
      failed,
      prefillTokens,
      decodeSequences,
      admitted,
      running,
      waiting,
      maxTokens,
      pagesUsed,
      pagesCached,
      acceptedTokens,
      forwardMicros: this.#f64(),
      sampleMicros: this.#f64(),
    };
  }

  #entries(count: number): TokenRecord[] {
    const entries: TokenRecord[] = [];
    for (let index = 0; index < count; index++) entries.push(this.#entry());
    return entries;
  }

  #entry(): TokenRecord {
    const id = this.#u32();
    const logprob = this.#view.getFloat32(this.#take(4), true);
    const bytes = this.#u32();
    const special = (this.#u32() & FLAG) !== 0;
    return { id, logprob, special, text: this.#text(bytes) };
  }

  /** A count and the zero beside it. */
  #count(): number {
    const count = this.#u32();
    this.#u32();
    return count;
  }

  #text(bytes: number): string {
    const start = this.#take(Math.ceil(bytes / WORD_BYTES) * WORD_BYTES);
    const end = start + bytes;
    if (bytes > SHORT_TEXT_BYTES) return this.#decode(start, end);
    let text = "";
    for (let at = start; at < end; at++) {
      const byte = this.#view.getUint8(at);
      if (byte > 0x7f) return this.#decode(start, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #decode(start: number, end: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new RecordError(`Cannot read bytes ${start} to ${end} as UTF-8`, { cause });
    }
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  #f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** Moves past `bytes` of the record, and gives where they start. */
  #take(bytes: number): number {
    const start = this.#at;
    if (bytes > this.#end - start) {
      throw new RecordError(
        `Cannot read ${bytes} bytes at byte ${start}: the record ends at ${this.#end}`,
      );
    }
    this.#at = start + bytes;
    return start;
  }
}
