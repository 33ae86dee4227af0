import assert from "node:assert/strict";
import { doneRecord } from "../../tests/fakes/done_record.ts";
import { generationHeaders } from "./headers.ts";
import { timingsOf } from "./timings.ts";

const done = doneRecord({
  promptTokens: 12,
  generatedTokens: 4,
  queueMicros: 1500,
  prefillMicros: 6000,
  decodeMicros: 4000,
});

Deno.test("microseconds of the core become milliseconds", () => {
  const { total, ...rest } = timingsOf(done, { arrivedAt: performance.now(), validation: 0.7 });
  assert.deepEqual(rest, {
    validation: 0.7,
    queue: 1.5,
    prefill: 6,
    decode: 4,
    inference: 10,
    perToken: 2.5,
  });
  assert.ok(total >= 0);
});

Deno.test("a generation without tokens has a time per token all the same", () => {
  const clock = { arrivedAt: 0, validation: 0 };
  assert.equal(timingsOf({ ...done, generatedTokens: 0 }, clock).perToken, 10);
});

Deno.test("headers are whole milliseconds, and seconds for the compute time", () => {
  const timings = { ...timingsOf(done, { arrivedAt: 0, validation: 0.7 }), total: 1234.9 };
  const counted = { ...done, cachedTokens: 8, draftedTokens: 3, acceptedTokens: 2 };
  assert.deepEqual(generationHeaders("1-cpu", 5, counted, timings), {
    "x-compute-type": "1-cpu",
    "x-compute-time": "1.2349",
    "x-compute-characters": "5",
    "x-total-time": "1234",
    "x-validation-time": "0",
    "x-queue-time": "1",
    "x-inference-time": "10",
    "x-time-per-token": "2",
    "x-prompt-tokens": "12",
    "x-generated-tokens": "4",
    "x-prefill-time": "6",
    "x-decode-time": "4",
    "x-cached-tokens": "8",
    "x-drafted-tokens": "3",
    "x-accepted-tokens": "2",
  });
});
