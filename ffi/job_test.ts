import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { encodeJob } from "./job.ts";
import type { JobParameters } from "./types.ts";

function json(inputs: string, parameters: JobParameters = {}): string {
  return new TextDecoder().decode(encodeJob({ inputs, parameters }));
}

Deno.test("a seed keeps all its digits", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
    equal(json("a", { seed }), `{"inputs":"a","parameters":{"seed":${seed}}}`);
  }));
});

Deno.test("nulls stay and absent parameters stay absent", () => {
  equal(
    json("a", { seed: null, top_k: null, stop: ["b"] }),
    '{"inputs":"a","parameters":{"seed":null,"top_k":null,"stop":["b"]}}',
  );
});

Deno.test("a grammar, a bias and a prompt of ids are written as the core reads them", () => {
  const parameters: JobParameters = {
    grammar: { type: "json_schema", value: { type: "object", required: ["b", "a"] } },
    logit_bias: { "7": -1.5 },
    watermark: { gamma: 0.5, delta: 2 },
  };
  equal(
    new TextDecoder().decode(encodeJob({ inputs: "", input_ids: [1, 2], parameters })),
    '{"inputs":"","input_ids":[1,2],"parameters":{"grammar":{"type":"json_schema","value":' +
      '{"type":"object","required":["b","a"]}},"logit_bias":{"7":-1.5},' +
      '"watermark":{"gamma":0.5,"delta":2}}}',
  );
});

Deno.test("texts survive, but for lone surrogates", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    deepEqual(JSON.parse(json(text, { stop: [text] })).parameters.stop, [text]);
  }));
  equal(JSON.parse(json("a\ud800b", { stop: ["\udc00"] })).inputs, "a\ufffdb");
  equal(JSON.parse(json("", { stop: ["\udc00"] })).parameters.stop[0], "\ufffd");
});
