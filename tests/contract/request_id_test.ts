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
  } finally {
    await reset();
  }
  const told = records.map(({ level, properties }) => [level, properties.request_id]);
  assert.deepEqual(told, [["info", "one"], ["warning", "two"], ["error", "three"]]);
  const { properties } = records[0]!;
  assert.match(String(properties.total_time), /^[\d.]+ms$/);
  assert.equal(properties.prompt_tokens, 1);
  assert.equal(properties.generated_tokens, 20);
});
