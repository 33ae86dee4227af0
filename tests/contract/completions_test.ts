import assert from "node:assert/strict";
import { Completion, OpenAiError } from "../../server/schemas/openai_responses.ts";
import { post, start, type TestServer, until } from "./harness.ts";

const PATH = "/v1/completions";

/** The reply to a body, checked against its schema. */
async function complete(server: TestServer, body: Record<string, unknown>) {
  const response = await post(server.app, PATH, { prompt: "a b", max_tokens: 3, ...body });
  assert.equal(response.status, 200, await response.clone().text());
  return Completion.parse(await response.json());
}

/** Chunks of a stream, without `[DONE]`, which must be its end. */
async function chunks(server: TestServer, body: Record<string, unknown>) {
  const response = await post(server.app, PATH, {
    prompt: "a b",
    max_tokens: 3,
    stream: true,
    ...body,
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const lines = (await response.text()).split("\n\n").filter((line) => line !== "");
  assert.equal(lines.pop(), "data: [DONE]");
  return lines.map((line) => Completion.parse(JSON.parse(line.slice("data: ".length))));
}

async function refusal(server: TestServer, body: Record<string, unknown>) {
  const response = await post(server.app, PATH, { prompt: "a", ...body });
  const { error } = OpenAiError.parse(await response.json());
  return { status: response.status, ...error };
}

Deno.test("a completion has OpenAI's keys in OpenAI's order", async () => {
  const response = await post(start().app, PATH, { prompt: "a b", max_tokens: 2 });
  assert.match(
    await response.text(),
    new RegExp(
      '^{"id":"cmpl-[0-9a-f]{32}","object":"text_completion","created":\\d+,' +
        '"model":"fake/model","system_fingerprint":"0.1.0-native",' +
        '"choices":\\[{"text":" one two","index":0,"logprobs":null,"finish_reason":"length"}],' +
        '"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,' +
        '"prompt_tokens_details":{"cached_tokens":0}}}$',
    ),
  );
  assert.equal(response.headers.get("x-generated-tokens"), "2");
});

Deno.test("a stream has a chunk a token, one finish reason, and the end marker", async () => {
  const all = await chunks(start(), {});
  assert.deepEqual(all.map(({ choices }) => choices[0]?.text), [" one", " two", " three", ""]);
  assert.deepEqual(all.map(({ choices }) => choices[0]?.finish_reason), [
    null,
    null,
    null,
    "length",
  ]);
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.ok(all.every((chunk) => !("usage" in chunk)));
});

Deno.test("usage comes in a chunk of its own when asked for", async () => {
  const all = await chunks(start(), { stream_options: { include_usage: true }, n: 2 });
  const last = all.pop();
  assert.deepEqual(last?.choices, []);
  assert.deepEqual(
    [last?.usage?.prompt_tokens, last?.usage?.completion_tokens, last?.usage?.total_tokens],
    [2, 6, 8],
  );
  assert.ok(all.every(({ usage }) => usage === null));
});

Deno.test("n choices are n generations with seeds of their own", async () => {
  const server = start();
  const { choices, usage } = await complete(server, { n: 3, seed: 7 });
  assert.deepEqual(choices.map(({ index }) => index), [0, 1, 2]);
  assert.deepEqual(usage, {
    prompt_tokens: 2,
    completion_tokens: 9,
    total_tokens: 11,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  const seeds = server.engine.requests.map(({ job }) => job.parameters.seed);
  assert.deepEqual(seeds, [7n, 8n, 9n]);
});

Deno.test("a list of prompts gives choices prompt by prompt", async () => {
  const server = start();
  const { choices } = await complete(server, { prompt: ["a", "b c"], n: 2, echo: true });
  assert.deepEqual(choices.map(({ text }) => text.slice(0, 4)), ["a on", "a on", "b c ", "b c "]);
  assert.deepEqual(choices.map(({ index }) => index), [0, 1, 2, 3]);
});

Deno.test("token ids go to the core as they are, one list or many", async () => {
  const server = start();
  await complete(server, { prompt: [5, 6] });
  await complete(server, { prompt: [[1], [2, 3]] });
  const ids = server.engine.requests.map(({ job }) => job.input_ids);
  assert.deepEqual(ids, [[5, 6], [1], [2, 3]]);
});

Deno.test("best_of returns the likeliest by mean logprob and counts all tokens", async () => {
  const server = start();
  const { choices, usage } = await complete(server, { best_of: 3, n: 1 });
  assert.equal(choices.length, 1);
  assert.equal(server.engine.requests.length, 3);
  assert.equal(usage?.completion_tokens, 9);
});

Deno.test("the core looks for stop texts anywhere and leaves them out, unless asked not to", async () => {
  const server = start();
  const stops = async (body: Record<string, unknown>) => {
    await complete(server, body);
    const { stop, stop_anywhere, include_stop_str } = server.engine.requests.at(-1)!.job.parameters;
    return [stop, stop_anywhere, include_stop_str];
  };
  assert.deepEqual(await stops({ stop: "wo" }), [["wo"], true, false]);
  assert.deepEqual(await stops({ stop: ["a", "b"] }), [["a", "b"], true, false]);
  assert.deepEqual(await stops({ stop: "wo", include_stop_str_in_output: true }), [
    ["wo"],
    true,
    true,
  ]);
  assert.deepEqual(await stops({}), [[], undefined, undefined]);
});

Deno.test("a stop text and the end of the text are both OpenAI's stop", async () => {
  for (const prompt of ["a <stop:2>", "a <eos:2>"]) {
    assert.equal((await complete(start(), { prompt })).choices[0]?.finish_reason, "stop");
  }
});

Deno.test("logprobs have texts, top tokens and offsets", async () => {
  const server = start();
  const { choices } = await complete(server, { logprobs: 2 });
  assert.deepEqual(choices[0]?.logprobs, {
    tokens: [" one", " two", " three"],
    token_logprobs: [-0.1, -0.2, -0.3],
    top_logprobs: [{ " one": -0.1 }, { " two": -0.2 }, { " three": -0.3 }],
    text_offset: [0, 4, 8],
  });
  const { top_n_tokens, raw_logprobs } = server.engine.requests[0]!.job.parameters;
  assert.deepEqual([top_n_tokens, raw_logprobs], [2, true]);
  const bare = await complete(start(), { logprobs: 0 });
  assert.equal(bare.choices[0]?.logprobs?.top_logprobs, null);
});

Deno.test("echo with logprobs begins with the prompt's tokens; max_tokens 0 shows these alone", async () => {
  const { choices } = await complete(start(), { echo: true, logprobs: 1, max_tokens: 0 });
  assert.equal(choices[0]?.text, "a b");
  assert.equal(choices[0]?.finish_reason, "length");
  assert.deepEqual(choices[0]?.logprobs?.tokens, ["a", "b"]);
  assert.deepEqual(choices[0]?.logprobs?.token_logprobs, [null, -0.5]);
});

Deno.test("the text of token ids comes back from the core when echoed", async () => {
  const { choices } = await complete(start(), { prompt: [5, 6], echo: true, max_tokens: 1 });
  assert.equal(choices[0]?.text, "#5#6 one");
});

Deno.test("temperature decides on sampling, as OpenAI has it", async () => {
  const server = start();
  const sampled = async (body: Record<string, unknown>) => {
    await complete(server, body);
    return server.engine.requests.at(-1)?.job.parameters.do_sample;
  };
  assert.equal(await sampled({}), true);
  assert.equal(await sampled({ temperature: 0.5 }), true);
  assert.equal(await sampled({ temperature: 0, top_p: 0.9, top_k: 5 }), false);
  assert.equal(server.engine.requests.at(-1)?.job.parameters.top_k, undefined);
  assert.equal(await sampled({ top_p: 0 }), false);
  assert.equal(await sampled({ do_sample: false }), false);
  assert.equal(await sampled({ do_sample: false, temperature: 0.5 }), true);
});

Deno.test("penalties, biases and extensions reach the core under its names", async () => {
  const server = start();
  await complete(server, {
    presence_penalty: 1,
    frequency_penalty: -0.5,
    logit_bias: { "5": -100 },
    min_p: 0.25,
    min_tokens: 2,
    ignore_eos: true,
    repetition_penalty: 1.5,
    seed: -1,
  });
  const { parameters } = server.engine.requests[0]!.job;
  assert.equal(parameters.presence_penalty, 1);
  assert.equal(parameters.openai_frequency_penalty, -0.5);
  assert.deepEqual(parameters.logit_bias, { "5": -100 });
  assert.deepEqual([parameters.min_p, parameters.min_new_tokens], [0.25, 2]);
  assert.deepEqual([parameters.ignore_eos, parameters.repetition_penalty], [true, 1.5]);
  assert.equal(parameters.seed, 2n ** 64n - 1n);
});

const refused: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
  [{ prompt: "" }, "prompt", /cannot be empty/],
  [{ suffix: "x" }, "suffix", /not supported/],
  [{ max_tokens: 0 }, "max_tokens", /> 0/],
  [{ logprobs: 6 }, "logprobs", /<= 5/],
  [{ n: 0 }, "n", /> 0/],
  [{ n: 5 }, "n", /4 generations at most/],
  [{ n: 2, best_of: 1 }, "best_of", />= `n`/],
  [{ best_of: 2, stream: true }, "best_of", /streaming/],
  [{ temperature: -1 }, "temperature", />= 0/],
  [{ top_p: 1.5 }, "top_p", /<= 1/],
  [{ presence_penalty: 3 }, "presence_penalty", /<= 2/],
  [{ frequency_penalty: -3 }, "frequency_penalty", />= -2/],
  [{ stop: ["1", "2", "3", "4", "5"] }, "stop", /up to 4/],
  [{ stop: "" }, "stop", /1 to 1024/],
  [{ logit_bias: { x: 1 } }, "logit_bias", /token ids below 100/],
  [{ logit_bias: { "100": 1 } }, "logit_bias", /token ids below 100/],
  [{ logit_bias: { "1": 101 } }, "logit_bias", /<= 100/],
  [{ prompt: Array(33).fill("a") }, "prompt", /batch size of 4/],
];

for (const [body, param, message] of refused) {
  Deno.test(`${JSON.stringify(body).slice(0, 60)} is a 400 that names ${param}`, async () => {
    const server = start();
    const error = await refusal(server, body);
    assert.deepEqual([error.status, error.type, error.param], [
      400,
      "invalid_request_error",
      param,
    ]);
    assert.match(error.message, message);
    assert.equal(server.engine.requests.length, 0);
  });
}

Deno.test("a prompt that is too long has OpenAI's code", async () => {
  const error = await refusal(start(), { prompt: "<reject>" });
  assert.deepEqual([error.status, error.code], [400, "context_length_exceeded"]);
  assert.equal(error.message, "`inputs` must have less than 32 tokens. Given: 33");
});

Deno.test("errors before the first event have their status, streamed or not", async () => {
  for (const stream of [false, true]) {
    const failed = await refusal(start(), { prompt: "<fail:0>", stream });
    assert.deepEqual([failed.status, failed.type], [500, "server_error"]);
    const malformed = await post(start().app, PATH, "{");
    assert.equal(malformed.status, 400);
    assert.ok(OpenAiError.safeParse(await malformed.json()).success);
    const full = await post(start({ maxConcurrentRequests: 0 }).app, PATH, { prompt: "a", stream });
    assert.equal(full.headers.get("retry-after"), "1");
    assert.equal(full.status, 429);
    assert.equal((await full.json()).error.code, "rate_limit_exceeded");
  }
});

Deno.test("an error after the first event is an event, and nothing follows", async () => {
  const response = await post(start().app, PATH, { prompt: "<fail:1>", stream: true });
  assert.equal(response.status, 200);
  const lines = (await response.text()).trimEnd().split("\n\n");
  assert.equal(lines.length, 2);
  const last = JSON.parse(lines[1]!.slice("data: ".length));
  assert.equal(OpenAiError.parse(last).error.type, "server_error");
});

Deno.test("one failing generation ends the whole request and frees the others", async () => {
  const server = start();
  const prompt = ["a <fail:2>", "b", "c"];
  const response = await post(server.app, PATH, { prompt, max_tokens: 20 });
  assert.equal(response.status, 500);
  await response.body?.cancel();
  const states = server.engine.requests.map(({ state }) => state);
  assert.deepEqual(states, ["failed", "cancelled", "cancelled"]);
});

Deno.test("each generation takes a permit, all or none, and all come back", async () => {
  const server = start({ automatic: false });
  const first = post(server.app, PATH, { prompt: "a", n: 3, max_tokens: 1 });
  await until(() => server.engine.requests.length === 3);
  const second = await post(server.app, PATH, { prompt: "a", n: 2 });
  assert.equal(second.status, 429);
  await second.body?.cancel();
  server.engine.step();
  assert.equal((await first).status, 200);
  const third = post(server.app, PATH, { prompt: "a", n: 4, max_tokens: 1 });
  await until(() => server.engine.requests.length === 7);
  server.engine.step();
  assert.equal((await third).status, 200);
});

Deno.test("a client that leaves a stream frees every generation", async () => {
  const server = start({ automatic: false });
  const pending = post(server.app, PATH, { prompt: "a", n: 3, stream: true });
  await until(() => server.engine.requests.length === 3);
  server.engine.step();
  await (await pending).body?.cancel();
  assert.ok(server.engine.requests.every(({ state }) => state === "cancelled"));
});

Deno.test("a client that is gone at the start leaves no generation behind", async () => {
  for (const stream of [false, true]) {
    const server = start({ automatic: false });
    const response = await server.app.request(PATH, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "a", n: 3, stream }),
      signal: AbortSignal.abort(),
    });
    assert.equal(response.status, 500);
    await response.body?.cancel();
    assert.ok(server.engine.requests.every(({ state }) => state === "cancelled"));
  }
});

Deno.test("ignored fields are named in a header, and refused by --strict", async () => {
  const body = { prompt: "a", user: "u", metadata: {}, foo: 1, service_tier: "auto", bar: null };
  const response = await post(start().app, PATH, body);
  assert.equal(response.headers.get("x-ignored-params"), "foo, service_tier");
  await response.body?.cancel();
  const strict = await refusal(start({ strict: true }), body);
  assert.deepEqual([strict.status, strict.param], [400, "foo"]);
  const clean = await post(start({ strict: true }).app, PATH, { prompt: "a", user: "u" });
  assert.deepEqual([clean.status, clean.headers.get("x-ignored-params")], [200, null]);
  await clean.body?.cancel();
});

Deno.test("a reader that is behind pauses all generations of its request", async () => {
  const server = start({ automatic: false });
  const pending = post(server.app, PATH, {
    prompt: ["<big>", "<big>"],
    max_tokens: 20,
    stream: true,
  });
  await until(() => server.engine.requests.length === 2);
  server.engine.step();
  const response = await pending;
  for (let step = 0; step < 12; step += 1) server.engine.step();
  assert.ok(server.engine.requests.every(({ isPaused }) => isPaused));
  await response.body?.cancel();
});
