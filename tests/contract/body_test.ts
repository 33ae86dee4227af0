import assert from "node:assert/strict";
import { post, start, summary } from "./harness.ts";

const PREFIX = "Failed to deserialize the JSON body into the target type: ";

/** What is said to a body of the wrong shape. */
async function mismatch(body: unknown): Promise<string> {
  const { app } = start();
  const response = await post(app, "/generate", body);
  const { error, error_type } = await response.json();
  assert.deepEqual([response.status, error_type], [422, "validation"]);
  assert.ok(error.startsWith(PREFIX), error);
  return error.slice(PREFIX.length);
}

const wrongTypes: readonly (readonly [unknown, string])[] = [
  [{}, "missing field `inputs`"],
  [[], "invalid type: sequence, expected struct GenerateRequest"],
  ['"a"', 'invalid type: string "a", expected struct GenerateRequest'],
  ["null", "invalid type: null, expected struct GenerateRequest"],
  [{ inputs: null }, "inputs: invalid type: null, expected a string"],
  [{ inputs: 1 }, "inputs: invalid type: integer `1`, expected a string"],
  [{ inputs: ["a"] }, "inputs: invalid type: sequence, expected a string"],
  [{ inputs: {} }, "inputs: invalid type: map, expected a string"],
  [
    { inputs: "a", parameters: 3 },
    "parameters: invalid type: integer `3`, expected struct GenerateParameters",
  ],
];

const wrongParameters: readonly (readonly [string, string])[] = [
  ['"max_new_tokens":"5"', 'max_new_tokens: invalid type: string "5", expected u32'],
  ['"max_new_tokens":-1', "max_new_tokens: invalid value: integer `-1`, expected u32"],
  ['"max_new_tokens":1.5', "max_new_tokens: invalid type: floating point `1.5`, expected u32"],
  [
    '"max_new_tokens":4294967296',
    "max_new_tokens: invalid value: integer `4294967296`, expected u32",
  ],
  ['"top_k":2147483648', "top_k: invalid value: integer `2147483648`, expected i32"],
  ['"temperature":"hot"', 'temperature: invalid type: string "hot", expected f32'],
  ['"temperature":1e39', "temperature: invalid value: floating point `1e+39`, expected f32"],
  ['"do_sample":1', "do_sample: invalid type: integer `1`, expected a boolean"],
  ['"details":"yes"', 'details: invalid type: string "yes", expected a boolean'],
  ['"stop":"x"', 'stop: invalid type: string "x", expected a sequence'],
  ['"stop":["x",1]', "stop[1]: invalid type: integer `1`, expected a string"],
  ['"stop":[null]', "stop[0]: invalid type: null, expected a string"],
  ['"seed":-1', "seed: invalid value: integer `-1`, expected u64"],
  [
    '"seed":18446744073709551616',
    "seed: invalid value: integer `18446744073709551616`, expected u64",
  ],
  ['"seed":1.5', "seed: invalid type: floating point `1.5`, expected u64"],
  ['"seed":true', "seed: invalid type: boolean `true`, expected u64"],
];

for (const [body, message] of wrongTypes) {
  Deno.test(`${JSON.stringify(body)} is told as serde tells it`, async () => {
    assert.equal(await mismatch(body), message);
  });
}

for (const [parameter, message] of wrongParameters) {
  Deno.test(`{${parameter}} is told with its path`, async () => {
    const body = `{"inputs":"a","parameters":{${parameter}}}`;
    assert.equal(await mismatch(body), `parameters.${message}`);
  });
}

Deno.test("a wrong type comes before a broken bound", async () => {
  const parameters = { temperature: 0, do_sample: 3 };
  assert.match(await mismatch({ inputs: "a", parameters }), /do_sample/);
});

Deno.test("malformed JSON is a 400 with a JSON body", async () => {
  const { app } = start();
  for (const body of ["", "{", "{'inputs':1}", '{"inputs":"a"} x', '{"inputs":"\\ud800"}']) {
    const response = await post(app, "/generate", body);
    const { error, error_type } = await response.json();
    assert.deepEqual([response.status, error_type], [400, "validation"], body);
    assert.match(error, /^Failed to parse the request body as JSON: ./);
  }
});

Deno.test("bytes that are no UTF-8 are a 400", async () => {
  const { app } = start();
  const response = await app.request("/generate", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new Uint8Array([0x22, 0xff, 0x22]),
  });
  const { error } = await response.json();
  const expected = [400, "Failed to parse the request body as JSON: the body is not UTF-8"];
  assert.deepEqual([response.status, error], expected);
});

Deno.test("a compressed body is a 415 that says so", async () => {
  const { app } = start();
  const headers = { "content-type": "application/json", "content-encoding": "gzip" };
  const response = await app.request("/generate", { method: "POST", headers, body: "\x1f" });
  const { error } = await response.json();
  assert.deepEqual(
    [response.status, error],
    [415, "Cannot read a body with `Content-Encoding: gzip`: send it as it is"],
  );
  const plain = { ...headers, "content-encoding": "identity" };
  const body = '{"inputs":"a"}';
  const asItIs = await app.request("/generate", { method: "POST", headers: plain, body });
  assert.equal(asItIs.status, 200);
  await asItIs.body?.cancel();
});

Deno.test("nesting without end is a 400, not a crash", async () => {
  const { app } = start({ payloadLimit: 2_000_000 });
  const depth = 200_000;
  const body = `{"inputs":"a","x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  assert.equal((await post(app, "/generate", body)).status, 400);
});

Deno.test("a field named like a prototype's is only an unknown field", async () => {
  const { app } = start();
  const body = '{"inputs":"a","__proto__":{"stream":true},"constructor":1}';
  assert.equal((await post(app, "/", body)).headers.get("content-type"), "application/json");
});

Deno.test("any JSON media type is taken, any other is a 415", async () => {
  const { app } = start();
  const ask = (type: string) => post(app, "/generate", { inputs: "a" }, { "content-type": type });
  for (
    const type of ["application/json; charset=utf-8", "Application/JSON", "application/x+json"]
  ) {
    assert.equal((await ask(type)).status, 200, type);
  }
  for (const type of ["text/plain", "application/jsonx", "text/json", "application/"]) {
    assert.equal(
      await summary(await ask(type)),
      "415 application/json\n" +
        '{"error":"Expected request with `Content-Type: application/json`",' +
        '"error_type":"validation"}',
    );
  }
});

Deno.test("a missing content type is a 415", async () => {
  const { app } = start();
  const body = new TextEncoder().encode('{"inputs":"a"}');
  assert.equal((await app.request("/generate", { method: "POST", body })).status, 415);
});

Deno.test("a body past the payload limit is a 413", async () => {
  const { app } = start({ payloadLimit: 100 });
  const bodyOf = (bytes: number) => `{"inputs":"${"a".repeat(bytes - 13)}"}`;
  assert.equal((await post(app, "/generate", bodyOf(100))).status, 200);
  assert.equal(
    await summary(await post(app, "/generate", bodyOf(101))),
    "413 application/json\n" +
      '{"error":"Failed to buffer the request body: length limit exceeded",' +
      '"error_type":"validation"}',
  );
});

Deno.test("a declared length past the limit is refused before the body is read", async () => {
  const { app } = start({ payloadLimit: 100 });
  let reads = 0;
  const body = new ReadableStream({ pull: () => void (reads += 1) }, { highWaterMark: 0 });
  const response = await app.request("/generate", {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": "101" },
    body,
  });
  assert.deepEqual([response.status, reads], [413, 0]);
});

Deno.test("a body without a declared length is counted", async () => {
  const { app } = start({ payloadLimit: 100 });
  let isCancelled = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(40)),
    cancel: () => void (isCancelled = true),
  });
  const headers = { "content-type": "application/json" };
  const response = await app.request("/generate", { method: "POST", headers, body });
  assert.deepEqual([response.status, isCancelled], [413, true]);
});

Deno.test("a body that breaks off is a 400", async () => {
  const { app } = start();
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
  const headers = { "content-type": "application/json" };
  const response = await app.request("/generate", { method: "POST", headers, body });
  assert.equal(response.status, 400);
  assert.match((await response.json()).error, /^Failed to buffer the request body: /);
});

Deno.test("nesting beyond serde's 128 levels is malformed, brackets in strings do not count", async () => {
  const { app } = start();
  const nested = (levels: number) =>
    `{"inputs":"a","x":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const deep = await post(app, "/generate", nested(128));
  assert.equal(deep.status, 400);
  assert.match(await deep.text(), /recursion limit exceeded/);
  for (const body of [nested(127), JSON.stringify({ inputs: '"\\[{'.repeat(200) })]) {
    const response = await post(app, "/generate", body);
    assert.notEqual(response.status, 400, body.slice(0, 40));
    await response.body?.cancel();
  }
});
