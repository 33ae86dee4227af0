import assert from "node:assert/strict";
import { GenerateResponse } from "../../server/schemas/responses.ts";
import { post, start, summary } from "./harness.ts";

Deno.test("a whole generation without details is one key", async () => {
  const { app } = start();
  const response = await post(app, "/generate", {
    inputs: "a b",
    parameters: { max_new_tokens: 2 },
  });
  assert.equal(await summary(response), '200 application/json\n{"generated_text":" one two"}');
});

Deno.test("details come in TGI's key order, with the prefill of 0.3.1", async () => {
  const { app } = start();
  const parameters = { max_new_tokens: 2, details: true };
  const response = await post(app, "/generate", { inputs: "a b", parameters });
  const text = await response.text();
  assert.equal(
    text,
    '{"generated_text":" one two","details":{"finish_reason":"length","generated_tokens":2,' +
      '"seed":null,"prefill":[{"id":1,"text":"a","logprob":null},' +
      '{"id":2,"text":"b","logprob":-0.5}],' +
      '"tokens":[{"id":11,"text":" one","logprob":-0.1,"special":false},' +
      '{"id":12,"text":" two","logprob":-0.2,"special":false}]}}',
  );
  assert.ok(GenerateResponse.safeParse(JSON.parse(text)).success);
});

Deno.test("decoder_input_details decides on the prefill where it is given", async () => {
  const { app, engine } = start();
  const ask = async (parameters: Record<string, unknown>) => {
    const body = { inputs: "a", parameters: { max_new_tokens: 1, ...parameters } };
    const reply = await (await post(app, "/generate", body)).json();
    return [engine.requests.at(-1)!.job.parameters.decoder_input_details, reply.details?.prefill];
  };
  const entry = { id: 1, text: "a", logprob: null };
  assert.deepEqual(await ask({ details: true, decoder_input_details: false }), [false, []]);
  assert.deepEqual(await ask({ details: true, decoder_input_details: null }), [true, [entry]]);
  assert.deepEqual(await ask({ decoder_input_details: true }), [true, [entry]]);
  assert.deepEqual(await ask({}), [false, undefined]);
});

Deno.test("in the 3.3 profile details alone bring no prefill", async () => {
  const { app } = start({ profile: "3.3" });
  const body = { inputs: "a", parameters: { details: true, max_new_tokens: 1 } };
  const reply = await (await post(app, "/generate", body)).json();
  assert.deepEqual(reply.details.prefill, []);
});

Deno.test("top tokens are there only when asked for", async () => {
  const { app } = start();
  const ask = async (top_n_tokens: number) => {
    const parameters = { max_new_tokens: 1, details: true, top_n_tokens };
    return (await (await post(app, "/generate", { inputs: "a", parameters })).json()).details;
  };
  assert.ok(!("top_tokens" in await ask(0)));
  assert.deepEqual((await ask(2)).top_tokens, [[
    { id: 11, text: " one", logprob: -0.1, special: false },
    { id: 12, text: " one", logprob: -0.1, special: false },
  ]]);
});

Deno.test("each finish reason has TGI's name", async () => {
  const { app } = start();
  const ask = async (inputs: string) =>
    (await (await post(app, "/generate", { inputs, parameters: { details: true } })).json())
      .details.finish_reason;
  assert.equal(await ask("a"), "length");
  assert.equal(await ask("a <eos:2>"), "eos_token");
  assert.equal(await ask("a <stop:2>"), "stop_sequence");
});

Deno.test("the largest seed goes in and out unchanged", async () => {
  const { app, engine } = start();
  const body = '{"inputs":"a","parameters":{"do_sample":true,"seed":18446744073709551615,' +
    '"details":true,"max_new_tokens":1}}';
  const text = await (await post(app, "/generate", body)).text();
  assert.equal(engine.requests[0]!.job.parameters.seed, 18446744073709551615n);
  assert.match(text, /"seed":18446744073709551615,/);
});

Deno.test("max_new_tokens is 20 when absent and open when null", async () => {
  const { app, engine } = start();
  await post(app, "/generate", { inputs: "a" });
  await post(app, "/generate", { inputs: "a", parameters: {} });
  await post(app, "/generate", { inputs: "a", parameters: { max_new_tokens: null } });
  const given = engine.requests.map(({ job }) => job.parameters.max_new_tokens);
  assert.deepEqual(given, [20, 20, null]);
});

Deno.test("in the 3.3 profile an absent max_new_tokens is open", async () => {
  const { app, engine } = start({ profile: "3.3" });
  await post(app, "/generate", { inputs: "a" });
  assert.equal(engine.requests[0]!.job.parameters.max_new_tokens, null);
});

Deno.test("in the 3.3 profile a request without parameters samples", async () => {
  const { app, engine } = start({ profile: "3.3" });
  await post(app, "/generate", { inputs: "a" });
  await post(app, "/generate", { inputs: "a", parameters: {} });
  assert.deepEqual(engine.requests.map(({ job }) => job.parameters.do_sample), [true, false]);
});

Deno.test("nulls and unknown fields are as if absent", async () => {
  const { app, engine } = start();
  const parameters = {
    best_of: null,
    temperature: null,
    repetition_penalty: null,
    frequency_penalty: null,
    top_k: null,
    top_p: null,
    typical_p: null,
    do_sample: null,
    return_full_text: null,
    stop: null,
    truncate: null,
    watermark: null,
    details: null,
    decoder_input_details: null,
    seed: null,
    top_n_tokens: null,
    grammar: null,
    adapter_id: null,
    something_else: { deep: [1] },
  };
  const response = await post(app, "/generate", { inputs: "a", parameters, model: "x" });
  assert.equal(response.status, 200);
  assert.equal((await post(app, "/generate", { inputs: "a", parameters: null })).status, 200);
  const [withNulls, without] = engine.requests.map(({ job }) => job);
  assert.deepEqual(withNulls, without);
});

Deno.test("numbers reach the core as the f32 that it computes with", async () => {
  const { app, engine } = start();
  const parameters = { temperature: 0.7, top_p: 0.95, top_k: 3, stop: ["x"], truncate: 4 };
  await post(app, "/generate", { inputs: "a", parameters });
  const job = engine.requests[0]!.job.parameters;
  assert.deepEqual([job.temperature, job.top_p, job.top_k], [
    Math.fround(0.7),
    Math.fround(0.95),
    3,
  ]);
  assert.deepEqual([job.stop, job.truncate], [["x"], 4]);
});

Deno.test("return_full_text puts the prompt before the text", async () => {
  const { app } = start();
  const parameters = { max_new_tokens: 1, return_full_text: true };
  const reply = await (await post(app, "/generate", { inputs: "a", parameters })).json();
  assert.equal(reply.generated_text, "a one");
});

Deno.test("the headers of a whole generation are TGI's, and the rest of its accounting", async () => {
  const { app } = start();
  const body = { inputs: "añ😀 b", parameters: { max_new_tokens: 3 } };
  const response = await post(app, "/generate", body);
  const { headers } = response;
  await response.body?.cancel();
  const fixed = [
    "x-compute-type",
    "x-compute-characters",
    "x-queue-time",
    "x-inference-time",
    "x-time-per-token",
    "x-prompt-tokens",
    "x-generated-tokens",
    "x-prefill-time",
    "x-decode-time",
    "x-cached-tokens",
    "x-drafted-tokens",
    "x-accepted-tokens",
  ].map((name) => headers.get(name));
  assert.deepEqual(fixed, ["cpu", "5", "3", "10", "3", "2", "3", "4", "6", "0", "0", "0"]);
  for (const name of ["x-total-time", "x-validation-time"]) {
    assert.match(headers.get(name)!, /^\d+$/);
  }
  assert.match(headers.get("x-compute-time")!, /^\d+(\.\d+)?(e-\d+)?$/);
});
