import assert from "node:assert/strict";
import { post, start } from "./harness.ts";

const MESSAGES = [{ role: "user", content: "a" }];
const NATIVE = { inputs: "a", foo: 1, parameters: { bar: true, max_new_tokens: 2 } };

/** Bodies with fields that nobody reads, and the names that the header must have. */
const IGNORED: readonly (readonly [path: string, body: object, names: string])[] = [
  ["/generate", NATIVE, "foo, bar"],
  ["/generate", { inputs: "a", stream: true }, "stream"],
  ["/generate_stream", NATIVE, "foo, bar"],
  ["/", NATIVE, "foo, bar"],
  ["/", { ...NATIVE, stream: true }, "foo, bar"],
  ["/invocations", NATIVE, "foo, bar"],
  ["/invocations", { prompt: "a", foo: 1 }, "foo"],
  ["/tokenize", NATIVE, "foo, bar"],
  ["/chat_tokenize", { messages: MESSAGES, foo: 1 }, "foo"],
  ["/vertex", { foo: 1, instances: [{ inputs: "a", bar: 1 }] }, "bar, foo"],
  ["/vertex", { instances: [{ messages: MESSAGES, n: 2, stream: true }] }, "n, stream"],
];

/** Bodies of which every field is read, or is absent, or says what is so anyway. */
const READ: readonly (readonly [path: string, body: object])[] = [
  ["/generate", { inputs: "a", stream: false, options: null }],
  ["/generate", { inputs: "a", parameters: { seed: null, watermark: false, bar: null } }],
  ["/generate_stream", { inputs: "a", parameters: {} }],
  ["/", { inputs: "a", stream: true, parameters: { return_full_text: false, stop: [] } }],
  ["/vertex", { instances: [{ messages: MESSAGES, n: 1, stream: false }] }],
];

for (const [path, body, names] of IGNORED) {
  Deno.test(`${path} names in a header what it ignores of ${JSON.stringify(body)}`, async () => {
    const response = await post(start().app, path, body);
    assert.equal(response.status, 200, await response.text());
    assert.equal(response.headers.get("x-ignored-params"), names);
  });

  Deno.test(`${path} refuses in strict mode ${JSON.stringify(body)}`, async () => {
    const { app, engine } = start({ strict: true });
    const response = await post(app, path, body);
    const { error, error_type } = await response.json();
    assert.equal(response.status, 400);
    const quoted = names.split(", ").map((name) => `\`${name}\``).join(", ");
    const message = `This server ignores ${quoted}, and --strict refuses what is ignored: leave ` +
      "it out";
    assert.deepEqual([error, error_type], [`Input validation error: ${message}`, "validation"]);
    assert.equal(engine.requests.length, 0);
  });
}

for (const [path, body] of READ) {
  Deno.test(`${path} ignores nothing of ${JSON.stringify(body)}`, async () => {
    const response = await post(start({ strict: true }).app, path, body);
    assert.equal(response.status, 200, await response.text());
    assert.equal(response.headers.get("x-ignored-params"), null);
  });
}
