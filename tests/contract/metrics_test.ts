import assert from "node:assert/strict";
import { emptyStep } from "./fake_engine.ts";
import { metric, post, start, until } from "./harness.ts";

/** Names of TGI 0.3.1 and 3.3, by type. */
const names = {
  counter: [
    "tgi_request_count",
    "tgi_request_success",
    "tgi_request_failure",
    "tgi_batch_inference_count",
    "tgi_batch_inference_success",
    "tgi_batch_inference_failure",
    "tgi_batch_concat",
  ],
  gauge: [
    "tgi_queue_size",
    "tgi_batch_current_size",
    "tgi_batch_current_max_tokens",
    "tgi_batch_max_total_tokens",
    "tgi_batch_total_tokens",
  ],
  histogram: [
    "tgi_request_duration",
    "tgi_request_validation_duration",
    "tgi_request_queue_duration",
    "tgi_request_inference_duration",
    "tgi_request_mean_time_per_token_duration",
    "tgi_request_generated_tokens",
    "tgi_request_input_length",
    "tgi_request_max_new_tokens",
    "tgi_request_skipped_tokens",
    "tgi_batch_next_size",
    "tgi_batch_inference_duration",
    "tgi_batch_forward_duration",
    "tgi_batch_decode_duration",
    "tgi_batch_filter_duration",
    "tgi_batch_concat_duration",
  ],
};

Deno.test("every name of TGI is there from the start, with its type and help", async () => {
  const { app } = start();
  const response = await app.request("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
  const lines = (await response.text()).split("\n");
  const types = lines.filter((line) => line.startsWith("# TYPE ")).sort();
  const expected = Object.entries(names).flatMap(([type, names]) =>
    names.map((name) => `# TYPE ${name} ${type}`)
  );
  assert.deepEqual(types, expected.sort());
  for (const name of Object.values(names).flat()) {
    assert.ok(lines.some((line) => line.startsWith(`# HELP ${name} `)), name);
  }
});

Deno.test("every labelled series is at zero from the start", async () => {
  const { app } = start();
  const series = [
    ...["overloaded", "validation", "generation", "incomplete", "dropped", "template"].map((err) =>
      `tgi_request_failure{err="${err}"}`
    ),
    ...["prefill", "decode"].flatMap((method) => [
      `tgi_batch_inference_count{method="${method}"}`,
      `tgi_batch_inference_success{method="${method}"}`,
      `tgi_batch_inference_failure{method="${method}"}`,
      `tgi_batch_forward_duration_count{method="${method}"}`,
      `tgi_batch_concat_duration_bucket{le="+Inf",method="${method}"}`,
    ]),
    ...["backpressure", "wait_exceeded", "chunking"].map((reason) =>
      `tgi_batch_concat{reason="${reason}"}`
    ),
  ];
  for (const name of series) assert.equal(await metric(app, name), 0, name);
});

Deno.test("the buckets are TGI's", async () => {
  const { app } = start();
  const text = await (await app.request("/metrics")).text();
  const bounds = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\}`, "gm"))]
      .map((match) => Number(match[1]));
  const durations = bounds("tgi_request_duration");
  assert.equal(durations.length, 35 + 1);
  assert.deepEqual([durations[0], durations[34]!.toFixed(2)], [0.00015, "145.61"]);
  const lengths = bounds("tgi_request_input_length");
  assert.deepEqual([lengths.length, lengths[0], lengths[99]], [101, 0.32, 32]);
  assert.equal(bounds("tgi_request_generated_tokens")[99], 64);
  assert.equal(bounds("tgi_request_max_new_tokens")[99], 64);
  const sizes = bounds("tgi_batch_next_size");
  assert.deepEqual([sizes.length, sizes[0], sizes[1023]], [1025, 1, 1024]);
  assert.equal(await metric(app, "tgi_batch_max_total_tokens"), 256);
});

Deno.test("a request that succeeds is counted and timed in seconds", async () => {
  const { app } = start();
  await post(app, "/generate", { inputs: "a b c", parameters: { max_new_tokens: 5 } });
  const values = {
    tgi_request_count: 1,
    tgi_request_success: 1,
    tgi_request_input_length_sum: 3,
    tgi_request_max_new_tokens_sum: 5,
    tgi_request_generated_tokens_sum: 5,
    tgi_request_queue_duration_sum: 0.003,
    tgi_request_inference_duration_sum: 0.0109,
    tgi_request_mean_time_per_token_duration_count: 1,
    tgi_request_duration_count: 1,
    tgi_request_validation_duration_count: 1,
  };
  for (const [name, value] of Object.entries(values)) {
    assert.equal(await metric(app, name), value, name);
  }
});

Deno.test("each failure has its reason, and the counts add up", async () => {
  const { app, engine } = start({ maxConcurrentRequests: 1 });
  for (const inputs of ["", "<reject>", "<fail:0>", "<incomplete:0>", "a"]) {
    await post(app, "/generate", { inputs });
  }
  await post(app, "/generate", "{");
  await (await post(app, "/generate_stream", { inputs: "<abandoned:1>" })).text();
  engine.refusal = new Error("full");
  await post(app, "/generate", { inputs: "a" });
  const failures = (reason: string) => metric(app, `tgi_request_failure{err="${reason}"}`);
  assert.deepEqual(
    [
      await failures("validation"),
      await failures("generation"),
      await failures("incomplete"),
      await failures("dropped"),
    ],
    [3, 1, 2, 1],
  );
  assert.equal(await metric(app, "tgi_request_success"), 1);
  assert.equal(await metric(app, "tgi_request_count"), 8);
});

Deno.test("a chat that no template can write is counted as TGI does, one whose tools cannot be as refused", async () => {
  const { app } = start({ template: null });
  const chat = (body: object) =>
    post(app, "/v1/chat/completions", { messages: [{ role: "user", content: "a" }], ...body });
  await chat({});
  await post(app, "/vertex", { instances: [{ messages: [{ role: "user", content: "a" }] }] });
  const tools = [{ type: "function", function: { name: "find" } }];
  await chat({ tools, tool_choice: { type: "function", function: { name: "lose" } } });
  assert.equal(await metric(app, 'tgi_request_failure{err="template"}'), 2);
  assert.equal(await metric(app, 'tgi_request_failure{err="validation"}'), 1);
  assert.equal(await metric(app, 'tgi_request_failure{err="incomplete"}'), 0);
});

Deno.test("overload and disconnects are counted", async () => {
  const { app, engine } = start({ automatic: false, maxConcurrentRequests: 1 });
  const pending = post(app, "/generate_stream", { inputs: "a" });
  await until(() => engine.requests.length === 1);
  assert.equal((await post(app, "/generate", { inputs: "a" })).status, 429);
  engine.step();
  await (await pending).body!.cancel();
  assert.equal(await metric(app, 'tgi_request_failure{err="overloaded"}'), 1);
  assert.equal(await metric(app, 'tgi_request_failure{err="dropped"}'), 1);
});

Deno.test("a step with prompt tokens is a prefill, any other a decode", async () => {
  const { app, engine } = start();
  engine.onStep({ ...emptyStep, prefillTokens: 7, decodeSequences: 2, admitted: 1 });
  engine.onStep({ ...emptyStep, decodeSequences: 3, forwardMicros: 2000, sampleMicros: 500 });
  engine.onStep({ ...emptyStep, decodeSequences: 3, failed: true });
  const values = {
    'tgi_batch_inference_count{method="prefill"}': 1,
    'tgi_batch_inference_count{method="decode"}': 2,
    'tgi_batch_inference_success{method="decode"}': 1,
    'tgi_batch_inference_failure{method="decode"}': 1,
    'tgi_batch_inference_duration_sum{method="decode"}': 0.0025,
    'tgi_batch_forward_duration_sum{method="decode"}': 0.002,
    'tgi_batch_decode_duration_sum{method="decode"}': 0.0005,
    'tgi_batch_concat{reason="chunking"}': 1,
    tgi_batch_next_size_sum: 1,
  };
  for (const [name, value] of Object.entries(values)) {
    assert.equal(await metric(app, name), value, name);
  }
});

Deno.test("the gauges show the last step, and zero when the last request is gone", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = post(app, "/generate_stream", { inputs: "a" });
  await until(() => engine.requests.length === 1);
  engine.step();
  engine.onStep({ ...emptyStep, running: 1, waiting: 2, maxTokens: 30, pagesUsed: 4 });
  const gauges = [
    "tgi_batch_current_size",
    "tgi_queue_size",
    "tgi_batch_current_max_tokens",
    "tgi_batch_total_tokens",
  ];
  const read = () => Promise.all(gauges.map((name) => metric(app, name)));
  assert.deepEqual(await read(), [1, 2, 30, 128]);
  await (await pending).body!.cancel();
  assert.deepEqual(await read(), [0, 0, 0, 0]);
});

Deno.test("accepted speculation is a histogram", async () => {
  const { app, engine } = start();
  engine.onStep({ ...emptyStep, decodeSequences: 1, acceptedTokens: 3 });
  assert.equal(await metric(app, 'tgi_request_skipped_tokens_bucket{le="2"}'), 0);
  assert.equal(await metric(app, 'tgi_request_skipped_tokens_bucket{le="3"}'), 1);
});
