import { deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { encodeRecord, type Item } from "../tests/ffi/record_encoder.ts";
import { MAX_RECORD_BYTES, RecordError, type RecordHandler, RecordReader } from "./records.ts";

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const micros = fc.double({ min: 0, noNaN: true });
const text = fc.string({ unit: "binary", maxLength: 60 });
const entry = fc.record({ id: u32, logprob: fc.float(), special: fc.boolean(), text });
const entries = fc.array(entry, { maxLength: 6 });

const accepted = fc.record({ promptTokens: u32, maxNewTokens: u32, validationMicros: micros });
const token = fc.record({ index: u32, last: fc.boolean(), token: entry, top: entries });
const ending = fc.record({
  finishReason: fc.constantFrom("length" as const, "eos_token" as const, "stop_sequence" as const),
  seed: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  promptTokens: u32,
  cachedTokens: u32,
  generatedTokens: u32,
  draftedTokens: u32,
  acceptedTokens: u32,
  queueMicros: micros,
  prefillMicros: micros,
  decodeMicros: micros,
});
const failed = fc.record({
  kind: fc.constantFrom(
    "validation" as const,
    "generation" as const,
    "abandoned" as const,
    "incomplete" as const,
  ),
  message: text,
});
const step = fc.record({
  failed: fc.boolean(),
  prefillTokens: u32,
  decodeSequences: u32,
  admitted: u32,
  running: u32,
  waiting: u32,
  maxTokens: u32,
  pagesUsed: u32,
  pagesCached: u32,
  acceptedTokens: u32,
  forwardMicros: micros,
  sampleMicros: micros,
});

const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ kind: fc.constant("accepted" as const), request: u32, record: accepted }),
  fc.record({ kind: fc.constant("prefill" as const), request: u32, record: entries }),
  fc.record({ kind: fc.constant("token" as const), request: u32, record: token }),
  fc.record({ kind: fc.constant("text" as const), request: u32, record: text }),
  fc.record({ kind: fc.constant("done" as const), request: u32, record: ending }),
  fc.record({ kind: fc.constant("rendered" as const), request: u32, record: fc.constant(null) }),
  fc.record({ kind: fc.constant("failed" as const), request: u32, record: failed }),
  fc.record({ kind: fc.constant("step" as const), request: fc.constant(0 as const), record: step }),
);

/** Keeps what it is handed. */
function collector(items: Item[]): RecordHandler {
  return {
    accepted: (request, record) => items.push({ kind: "accepted", request, record }),
    prefill: (request, record) => items.push({ kind: "prefill", request, record }),
    token: (request, record) => items.push({ kind: "token", request, record }),
    text: (request, record) => items.push({ kind: "text", request, record }),
    done: (request, record) => items.push({ kind: "done", request, record }),
    rendered: (request) => items.push({ kind: "rendered", request, record: null }),
    failed: (request, record) => items.push({ kind: "failed", request, record }),
    step: (record) => items.push({ kind: "step", request: 0, record }),
  };
}

function decode(bytes: Uint8Array<ArrayBuffer>, length = bytes.length): Item[] {
  const items: Item[] = [];
  new RecordReader(bytes).read(length, collector(items));
  return items;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const TEXT: Item = { kind: "text", request: 3, record: "any text" };

Deno.test("records of every kind decode to what was encoded", () => {
  fc.assert(fc.property(fc.array(item, { maxLength: 8 }), (items) => {
    deepEqual(decode(concat(items.map(encodeRecord))), items);
  }));
});

Deno.test("a buffer that ends inside a record is refused, whole records before it are read", () => {
  fc.assert(fc.property(item, item, fc.nat(), (first, second, cut) => {
    const [head, tail] = [encodeRecord(first), encodeRecord(second)];
    const length = head.length + 1 + cut % (tail.length - 1);
    const items: Item[] = [];
    const reader = new RecordReader(concat([head, tail]));
    throws(() => reader.read(length, collector(items)), RecordError);
    deepEqual(items, [first]);
  }));
});

Deno.test("any bytes are decoded or refused as records, never otherwise", () => {
  fc.assert(fc.property(item, fc.nat(), fc.integer({ min: 0, max: 255 }), (item, at, value) => {
    const bytes = encodeRecord(item);
    bytes[at % bytes.length] = value;
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
    }
  }));
});

Deno.test("a reader sees what the buffer holds at each read", () => {
  const buffer = new Uint8Array(256);
  const reader = new RecordReader(buffer);
  const items: Item[] = [];
  for (const record of ["first", "second"]) {
    const bytes = encodeRecord({ ...TEXT, record });
    buffer.set(bytes);
    reader.read(bytes.length, collector(items));
  }
  deepEqual(items.map(({ record }) => record), ["first", "second"]);
});

Deno.test("a byte order mark is text like any other", () => {
  for (const record of ["\ufeff", "\ufeff" + "x".repeat(40)]) {
    deepEqual(decode(encodeRecord({ ...TEXT, record })), [{ ...TEXT, record }]);
  }
});

Deno.test("each kind of malformed record is named", () => {
  const broken = (at: number, value: number) => {
    const bytes = encodeRecord(TEXT);
    new DataView(bytes.buffer).setUint32(at, value, true);
    return () => decode(bytes);
  };
  throws(broken(0, 8), /length 8/);
  throws(broken(0, 20), /length 20/);
  throws(broken(0, MAX_RECORD_BYTES + 8), /length 65544/);
  throws(broken(4, 99), /kind 99 is unknown/);
  throws(broken(4, 5), /Cannot read 4 bytes|left over/);
  throws(broken(16, 9), /Cannot read 16 bytes/);
  throws(broken(16, 0), /8 bytes are left over/);
  throws(broken(24, 0xff), /as UTF-8/);
  throws(() => decode(encodeRecord(TEXT), 1000), /1000 bytes of a buffer/);
});
