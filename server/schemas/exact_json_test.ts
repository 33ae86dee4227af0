import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExactJson } from "./exact_json.ts";

Deno.test("every u64 seed comes out as it went in", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (seed) => {
    assert.deepEqual(parseExactJson(`{"parameters":{"seed":${seed}}}`), { parameters: { seed } });
  }));
});

Deno.test("only an integer seed is a bigint", () => {
  const parsed = parseExactJson('{"seed":1.5,"top_k":3,"x":[{"seed":-2}],"y":{"seed":"1"}}');
  assert.deepEqual(parsed, { seed: 1.5, top_k: 3, x: [{ seed: -2n }], y: { seed: "1" } });
});

Deno.test("everything without a seed is as JSON.parse reads it", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const json = JSON.stringify({ inputs: value }).replaceAll('"seed"', '"seeds"');
    assert.deepEqual(parseExactJson(json), JSON.parse(json));
  }));
});

Deno.test("half a surrogate pair is malformed, a whole one is not", () => {
  assert.throws(() => parseExactJson('"\\ud83d"'), SyntaxError);
  assert.throws(() => parseExactJson('{"a":["\\ude00"]}'), SyntaxError);
  assert.equal(parseExactJson('"\\ud83d\\ude00"'), "😀");
});
