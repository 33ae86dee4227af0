import assert from "node:assert/strict";
import fc from "fast-check";
import { baseLength } from "./registry_base.ts";

function trailer(first: number, second: number, appended: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, first, true);
  view.setUint32(4, second, true);
  view.setBigUint64(8, appended, true);
  return bytes;
}

Deno.test("what was appended to the base binary is cut off", () => {
  assert.equal(baseLength(trailer(0x501e, 0x2a7, 400n), 1000), 600);
});

Deno.test("a program without that trailer has no base binary", () => {
  assert.equal(baseLength(trailer(0x501e, 0x2a8, 400n), 1000), null);
  assert.equal(baseLength(trailer(0x501e, 0x2a7, 400n).subarray(1), 1000), null);
});

Deno.test("a base binary is never empty and never longer than the program", () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(), (appended, bytes) => {
    const length = baseLength(trailer(0x501e, 0x2a7, appended), bytes);
    assert.ok(length === null || length > 0 && length < bytes);
  }));
});
