import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { post, start } from "./harness.ts";

Deno.test("every answer has an id, the client's own where it is valid", async () => {
  const { app } = start();
  for (const path of ["/generate", "/v1/completions", "/nothing", "/generate_stream"]) {
    const own = await post(app, path, { inputs: "a", prompt: "a" }, {
      "x-request-id": "abc-1.2:3",
    });
    assert.equal(own.headers.get("x-request-id"), "abc-1.2:3", path);
    await own.text();
    const made = await post(app, path, "{");
    assert.match(made.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/, path);
    await made.text();
  }
});

Deno.test("an id that could break a log line is replaced", async () => {
  const { app } = start();
  for (const id of ["a b", '"', "x".repeat(129), "é"]) {
    const response = await app.request("/info", { headers: { "x-request-id": id } });
    assert.match(response.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
    await response.body?.cancel();
  }
});

Deno.test("the log has the id of every request, with TGI's fields or the error", async () => {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { list: (record) => records.push(record) },
    loggers: [
      { category: "tgi", sinks: ["list"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    const { app } = start();
    for (const [inputs, id] of [["a", "one"], ["", "two"], ["<fail:0>", "three"]]) {
      await (await post(app, "/generate", { inputs }, { "x-request-id": id! })).text();
    }
    const stream = await post(app, "/generate_stream", { inputs: "a" }, { "x-request-id": "four" });
    await stream.body?.cancel();
  } finally {
    await reset();
  }
  const told = records.map(({ level, properties }) => [level, properties.request_id]);
  assert.deepEqual(told.slice(0, 3), [["info", "one"], ["warning", "two"], ["error", "three"]]);
  assert.deepEqual(told.slice(3), [["info", "four"]]);
  const { total_time, validation_time, ...fixed } = records[0]!.properties;
  for (const time of [total_time, validation_time]) assert.match(String(time), /^[\d.]+ms$/);
  assert.deepEqual(fixed, {
    request_id: "one",
    queue_time: "3.000ms",
    inference_time: "10.900ms",
    prefill_time: "4.000ms",
    decode_time: "6.900ms",
    time_per_token: "0.545ms",
    seed: null,
    prompt_tokens: 1,
    cached_tokens: 0,
    generated_tokens: 20,
    drafted_tokens: 0,
    accepted_tokens: 0,
    finish_reason: "length",
  });
});
