/** Writes records as the core does, to test the reader against an independent hand. */

import type { Ending } from "../../ffi/records.ts";
import type {
  AcceptedRecord,
  FailedRecord,
  GeneratedRecord,
  StepRecord,
  TokenRecord,
} from "../../ffi/types.ts";

/** A record of any kind, with the request that it belongs to. */
export type Item =
  | { kind: "accepted"; request: number; record: AcceptedRecord }
  | { kind: "prefill"; request: number; record: readonly TokenRecord[] }
  | { kind: "token"; request: number; record: GeneratedRecord }
  | { kind: "text"; request: number; record: string }
  | { kind: "done"; request: number; record: Ending }
  | { kind: "rendered"; request: number; record: null }
  | { kind: "failed"; request: number; record: FailedRecord }
  | { kind: "step"; request: 0; record: StepRecord };

const FINISH_REASONS = ["length", "eos_token", "stop_sequence"];
const FAILURE_KINDS = ["", "validation", "generation", "abandoned", "incomplete", "template"];

class Writer {
  readonly bytes: number[] = [];

  u32(...values: number[]): this {
    for (const value of values) this.#append(4, (view) => view.setUint32(0, value, true));
    return this;
  }

  f32(value: number): this {
    return this.#append(4, (view) => view.setFloat32(0, value, true));
  }

  u64(value: bigint): this {
    return this.#append(8, (view) => view.setBigUint64(0, value, true));
  }

  f64(...values: number[]): this {
    for (const value of values) this.#append(8, (view) => view.setFloat64(0, value, true));
    return this;
  }

  padded(text: Uint8Array): this {
    this.bytes.push(...text);
    while (this.bytes.length % 8 !== 0) this.bytes.push(0);
    return this;
  }

  text(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.u32(bytes.length, 0).padded(bytes);
  }

  entry({ id, logprob, special, text }: TokenRecord): this {
    const bytes = new TextEncoder().encode(text);
    return this.u32(id).f32(logprob).u32(bytes.length, special ? 1 : 0).padded(bytes);
  }

  #append(size: number, set: (view: DataView) => void): this {
    const bytes = new Uint8Array(size);
    set(new DataView(bytes.buffer));
    this.bytes.push(...bytes);
    return this;
  }
}

/** The whole record of an item. */
export function encodeRecord(item: Item): Uint8Array<ArrayBuffer> {
  const { kind, flag, aux, payload } = parts(item);
  const writer = new Writer();
  writer.u32(16 + payload.bytes.length, kind | (flag ? 0x100 : 0), item.request, aux);
  return new Uint8Array([...writer.bytes, ...payload.bytes]);
}

interface Parts {
  readonly kind: number;
  readonly flag: boolean;
  readonly aux: number;
  readonly payload: Writer;
}

function parts(item: Item): Parts {
  const payload = new Writer();
  const plain = { flag: false, aux: 0, payload };
  switch (item.kind) {
    case "accepted": {
      const { promptTokens, maxNewTokens, validationMicros } = item.record;
      payload.u32(promptTokens, maxNewTokens).f64(validationMicros);
      return { ...plain, kind: 1 };
    }
    case "prefill":
      payload.u32(item.record.length, 0);
      for (const token of item.record) payload.entry(token);
      return { ...plain, kind: 2 };
    case "token":
      payload.u32(item.record.top.length, 0).entry(item.record.token);
      for (const token of item.record.top) payload.entry(token);
      return { ...plain, kind: 3, flag: item.record.last, aux: item.record.index };
    case "text":
      payload.text(item.record);
      return { ...plain, kind: 4 };
    case "done":
      return done(item.record);
    case "rendered":
      return { ...plain, kind: 8 };
    case "failed":
      payload.text(item.record.message);
      return { ...plain, kind: 6, aux: FAILURE_KINDS.indexOf(item.record.kind) };
    case "step":
      return step(item.record);
  }
}

function done(record: Ending): Parts {
  const { generatedTokens, promptTokens, cachedTokens, draftedTokens, acceptedTokens } = record;
  const payload = new Writer()
    .u32(generatedTokens, promptTokens, cachedTokens, draftedTokens, acceptedTokens, 0)
    .u64(record.seed ?? 0n)
    .f64(record.queueMicros, record.prefillMicros, record.decodeMicros);
  const aux = FINISH_REASONS.indexOf(record.finishReason);
  return { kind: 5, flag: record.seed !== null, aux, payload };
}

function step(record: StepRecord): Parts {
  const { failed, forwardMicros, sampleMicros } = record;
  const payload = new Writer()
    .u32(record.prefillTokens, record.decodeSequences, record.admitted)
    .u32(record.running, record.waiting, record.maxTokens)
    .u32(record.pagesUsed, record.pagesCached, record.acceptedTokens, 0)
    .f64(forwardMicros, sampleMicros);
  return { kind: 7, flag: failed, aux: 0, payload };
}
