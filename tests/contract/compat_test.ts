import assert from "node:assert/strict";
import { post, start, summary } from "./harness.ts";

const parameters = { max_new_tokens: 1, return_full_text: false };

Deno.test("a whole answer is a list of one", async () => {
  const { app } = start();
  assert.equal(
    await summary(await post(app, "/", { inputs: "a", parameters })),
    '200 application/json\n[{"generated_text":" one"}]',
  );
  assert.equal(
    await summary(await post(app, "/", { inputs: "a", parameters, stream: false })),
    '200 application/json\n[{"generated_text":" one"}]',
  );
});

Deno.test("the prompt comes back unless return_full_text is false", async () => {
  const { app } = start();
  const ask = async (full: boolean | null | undefined) => {
    const body = { inputs: "a", parameters: { max_new_tokens: 1, return_full_text: full } };
    return (await (await post(app, "/", body)).json())[0].generated_text;
  };
  assert.deepEqual([await ask(undefined), await ask(null)], ["a one", "a one"]);
  assert.deepEqual([await ask(true), await ask(false)], ["a one", " one"]);
});

Deno.test("stream switches to events", async () => {
  const { app } = start();
  assert.equal(
    await summary(await post(app, "/", { inputs: "a", parameters, stream: true })),
    "200 text/event-stream\n" +
      'data: {"index":1,"token":{"id":11,"text":" one","logprob":-0.1,"special":false},' +
      '"generated_text":" one","details":null}\n\n',
  );
});

Deno.test("the prompt is in the last event of a stream, too", async () => {
  const { app } = start();
  const body = { inputs: "a", parameters: { max_new_tokens: 1 }, stream: true };
  assert.match(await (await post(app, "/", body)).text(), /"generated_text":"a one"/);
});

Deno.test("details alone bring no prefill", async () => {
  const { app } = start();
  const body = { inputs: "a", parameters: { ...parameters, details: true } };
  const [reply] = await (await post(app, "/", body)).json();
  assert.deepEqual(reply.details.prefill, []);
});

Deno.test("the body of the python client is taken as it is", async () => {
  const { app } = start();
  const body = {
    inputs: "a",
    stream: false,
    parameters: {
      ...{ do_sample: false, max_new_tokens: 2, repetition_penalty: null },
      ...{ frequency_penalty: null, return_full_text: false, stop: [], seed: null },
      ...{ temperature: null, top_k: null, top_p: null, truncate: null, typical_p: null },
      ...{ best_of: null, watermark: false, details: true, decoder_input_details: false },
      ...{ top_n_tokens: null, grammar: null },
    },
  };
  const reply = await (await post(app, "/", body)).json();
  assert.deepEqual(Object.keys(reply[0]), ["generated_text", "details"]);
  assert.deepEqual(Object.keys(reply[0].details), [
    "finish_reason",
    "generated_tokens",
    "seed",
    "prefill",
    "tokens",
  ]);
});

Deno.test("an error is a plain object, and a failing stream keeps its status", async () => {
  const { app } = start();
  const expected = "422 application/json\n" +
    '{"error":"Input validation error: `inputs` cannot be empty","error_type":"validation"}';
  assert.equal(await summary(await post(app, "/", { inputs: "" })), expected);
  assert.equal(await summary(await post(app, "/", { inputs: "", stream: true })), expected);
});

Deno.test("with TGI's stream errors only a stream answers 200", async () => {
  const { app } = start({ streamErrorsAsEvents: true });
  assert.equal((await post(app, "/", { inputs: "" })).status, 422);
  assert.equal(
    await summary(await post(app, "/", { inputs: "", stream: true })),
    "200 text/event-stream\n" +
      'data: {"error":"Input validation error: `inputs` cannot be empty",' +
      '"error_type":"validation"}\n\n',
  );
});

Deno.test("a stream that is no boolean is named", async () => {
  const { app } = start();
  assert.match(
    await summary(await post(app, "/", { inputs: "a", stream: 1 })),
    /^422 .*\n.*type: stream: invalid type: integer `1`, expected a boolean"/,
  );
});
