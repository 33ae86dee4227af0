/** Every event of every stream, held against the schema that the served document gives it. */

import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import document from "../../openapi.json" with { type: "json" };
import { post, start } from "./harness.ts";

const DONE = "[DONE]";

/** OpenAPI 3.0's `nullable` in JSON Schema's words. */
function jsonSchema(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(jsonSchema);
  if (part === null || typeof part !== "object") return part;
  const { nullable, ...rest } = part as Record<string, unknown>;
  const schema = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, jsonSchema(value)]),
  );
  return nullable === true ? { anyOf: [schema, { type: "null" }] } : schema;
}

/** What checks one event of a path's stream. */
function checkOf(path: string): ValidateFunction {
  const operations = document.paths as Record<string, { post?: { responses: object } }>;
  const responses = operations[path]?.post?.responses as Record<string, { content: object }>;
  const content = responses["200"]?.content as Record<string, { schema: object }>;
  const { schema } = content["text/event-stream"] ?? assert.fail(`${path} has no stream`);
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  return ajv.compile(jsonSchema({ ...schema, components: document.components }) as object);
}

/** The `data` of each event. */
async function eventsOf(response: Response): Promise<string[]> {
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const text = await response.text();
  return text.split("\n\n").filter((frame) => frame.startsWith("data: "))
    .map((frame) => frame.slice("data: ".length));
}

const MESSAGES = [{ role: "user", content: "a" }];
const NATIVE = { inputs: "a", parameters: { max_new_tokens: 3, details: true, top_n_tokens: 2 } };
const OPENAI = { max_tokens: 3, n: 2, stream: true, stream_options: { include_usage: true } };
const SEEDED = { inputs: "a", parameters: { do_sample: true, seed: 7, details: true } };

const BODIES: Readonly<Record<string, readonly object[]>> = {
  "/": [{ ...NATIVE, stream: true }, { inputs: "a", stream: true }],
  "/generate_stream": [NATIVE, SEEDED, { inputs: "a" }, { inputs: "a <eos:2>" }],
  "/v1/completions": [
    { ...OPENAI, prompt: "a", logprobs: 2, echo: true },
    { prompt: ["a", "b"], stream: true },
  ],
  "/v1/chat/completions": [
    { ...OPENAI, messages: MESSAGES, logprobs: true, top_logprobs: 2 },
    { messages: MESSAGES, stream: true },
  ],
  "/invocations": [
    { ...NATIVE, stream: true },
    { messages: MESSAGES, stream: true },
    { prompt: "a", stream: true },
  ],
};

Deno.test("every event of every stream fits the schema of the served document", async () => {
  const { app } = start();
  for (const [path, bodies] of Object.entries(BODIES)) {
    const fits = checkOf(path);
    for (const body of bodies) {
      const events = (await eventsOf(await post(app, path, body))).filter((data) => data !== DONE);
      assert.ok(events.length > 1, `${events.length} events of ${path}`);
      for (const data of events) {
        assert.ok(fits(JSON.parse(data)), `${path}: ${JSON.stringify(fits.errors)}: ${data}`);
      }
    }
  }
});

Deno.test("every path that the document gives a stream is tried here", () => {
  const streaming = Object.entries(document.paths).filter(([, operations]) =>
    JSON.stringify("post" in operations ? operations.post.responses["200"] : {})
      .includes("text/event-stream")
  );
  assert.deepEqual(streaming.map(([path]) => path).sort(), Object.keys(BODIES).sort());
});

Deno.test("an event that does not fit is found", () => {
  const fits = checkOf("/generate_stream");
  const token = { id: 1, text: "a", logprob: -0.5, special: false };
  assert.ok(fits({ index: 1, token, generated_text: null, details: null }));
  assert.ok(!fits({ index: 1, generated_text: null, details: null }));
  assert.ok(!fits({ index: 1, token: { ...token, text: null } }));
});
