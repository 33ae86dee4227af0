import assert from "node:assert/strict";
import fc from "fast-check";
import { BodyError } from "../errors.ts";
import { deserialize } from "./deserialize.ts";
import { compatGenerateRequest } from "./generate.ts";

Deno.test("any JSON is a request or a body error with a sentence", () => {
  const parameters = fc.dictionary(
    fc.constantFrom("temperature", "top_k", "stop", "seed", "details", "max_new_tokens", "x"),
    fc.jsonValue(),
  );
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ inputs: fc.string(), parameters, stream: fc.jsonValue() }, { requiredKeys: [] }),
  );
  fc.assert(fc.property(body, (value) => {
    try {
      assert.equal(typeof deserialize(compatGenerateRequest, value).inputs, "string");
    } catch (error) {
      assert.ok(error instanceof BodyError);
      assert.match(error.message, /(, expected |missing field `inputs`$)/);
    }
  }));
});

Deno.test("unknown fields pass, so that an answer can name them", () => {
  const body = { inputs: "a", x: 1, parameters: { y: 2 } };
  assert.deepEqual(deserialize(compatGenerateRequest, body), body);
});

Deno.test("the first field of the schema that does not fit is named", () => {
  const body = { stream: 1, parameters: { seed: "x", temperature: "y" }, inputs: "a" };
  assert.throws(() => deserialize(compatGenerateRequest, body), /parameters\.temperature: /);
});
