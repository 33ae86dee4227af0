import assert from "node:assert/strict";
import fc from "fast-check";
import type { TokenRecord } from "../../ffi/types.ts";
import { doneRecord } from "../../tests/fakes/done_record.ts";
import {
  detailsJson,
  f32Json,
  prefillTokenJson,
  streamDetailsJson,
  streamEventJson,
  tokenJson,
} from "./wire.ts";

const token: TokenRecord = { id: 7, text: ' "a"\n', logprob: Math.fround(-0.34), special: true };

const done = doneRecord({
  finishReason: "eos_token",
  generatedText: "a",
  seed: 18446744073709551615n,
  promptTokens: 3,
  generatedTokens: 2,
});

Deno.test("an f32 is written with as few digits as read back to it", () => {
  const cases: readonly (readonly [number, string])[] = [
    [-0.34, "-0.34"],
    [-11.894989, "-11.894989"],
    [0, "0.0"],
    [-0, "0.0"],
    [-1, "-1.0"],
    [1e-7, "1e-7"],
    [16777216, "16777216.0"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [NaN, "null"],
    [-Infinity, "null"],
  ];
  for (const [value, text] of cases) assert.equal(f32Json(Math.fround(value)), text);
});

Deno.test("every finite f32 comes back from its JSON", () => {
  fc.assert(fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
    assert.equal(Math.fround(JSON.parse(f32Json(value))) + 0, value + 0);
  }));
});

Deno.test("tokens have TGI's keys in TGI's order", () => {
  assert.equal(tokenJson(token), '{"id":7,"text":" \\"a\\"\\n","logprob":-0.34,"special":true}');
  assert.equal(prefillTokenJson(token), '{"id":7,"text":" \\"a\\"\\n","logprob":-0.34}');
});

Deno.test("any text of a token is one line of JSON", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    const json = tokenJson({ ...token, text });
    assert.ok(!json.includes("\n") && !json.includes("\r"));
    assert.equal(JSON.parse(json).text, text);
  }));
});

Deno.test("details keep the seed exact and leave out what nobody asked for", () => {
  const head = '{"finish_reason":"eos_token","generated_tokens":2,"seed":18446744073709551615';
  assert.equal(streamDetailsJson(done, false), `${head},"input_length":3}`);
  assert.equal(
    detailsJson(done, { prefill: ["1"], tokens: ["2", "3"], topTokens: null, accounting: false }),
    `${head},"prefill":[1],"tokens":[2,3]}`,
  );
  assert.equal(
    detailsJson({ ...done, seed: null }, {
      prefill: [],
      tokens: [],
      topTokens: ["[4]"],
      accounting: false,
    }),
    '{"finish_reason":"eos_token","generated_tokens":2,"seed":null,"prefill":[],"tokens":[],' +
      '"top_tokens":[[4]]}',
  );
});

Deno.test("an event has top tokens only when asked for, even if there are none", () => {
  const record = { index: 2, last: false, token: { ...token, text: "a" }, top: [] };
  assert.deepEqual(Object.keys(JSON.parse(streamEventJson(record, false))), [
    "index",
    "token",
    "generated_text",
    "details",
  ]);
  assert.deepEqual(JSON.parse(streamEventJson(record, true)).top_tokens, []);
});
