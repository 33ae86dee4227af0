import assert from "node:assert/strict";
import { post, settle, start, summary, until } from "./harness.ts";

const overloaded = '{"error":"Model is overloaded","error_type":"overloaded"}';

Deno.test("past the permits every generating route is a 429, and health is not", async () => {
  const { app, engine } = start({ automatic: false, maxConcurrentRequests: 1 });
  const first = post(app, "/generate", { inputs: "a", parameters: { max_new_tokens: 1 } });
  await until(() => engine.requests.length === 1);
  for (const path of ["/generate", "/generate_stream", "/"]) {
    assert.equal(
      await summary(await post(app, path, { inputs: "a" })),
      `429 application/json\n${overloaded}`,
    );
  }
  for (const path of ["/health", "/ping", "/"]) {
    assert.equal((await app.request(path)).status, 200);
  }
  engine.step();
  assert.equal((await first).status, 200);
});

Deno.test("a saturated server reads no body: even a malformed one is a 429", async () => {
  const { app } = start({ maxConcurrentRequests: 0 });
  assert.equal((await post(app, "/generate", "{")).status, 429);
});

Deno.test("an overloaded stream is an event where events are accepted", async () => {
  const { app } = start({ maxConcurrentRequests: 0 });
  const headers = { accept: "text/event-stream" };
  assert.equal(
    await summary(await post(app, "/generate_stream", { inputs: "a" }, headers)),
    `429 text/event-stream\ndata: ${overloaded}\n\n`,
  );
});

Deno.test("with TGI's stream errors an overloaded stream is 200, but not the route that may stream", async () => {
  const { app } = start({ maxConcurrentRequests: 0, streamErrorsAsEvents: true });
  assert.equal((await post(app, "/generate_stream", { inputs: "a" })).status, 200);
  assert.equal((await post(app, "/", { inputs: "a", stream: true })).status, 429);
});

Deno.test("every way to end gives the permit back, once", async () => {
  const { app } = start({ maxConcurrentRequests: 1 });
  const endings: readonly (readonly [string, unknown])[] = [
    ["/generate", { inputs: "a" }],
    ["/generate", { inputs: "" }],
    ["/generate", "{"],
    ["/generate", { inputs: "<fail:0>" }],
    ["/generate_stream", { inputs: "a" }],
    ["/generate_stream", { inputs: "<fail:0>" }],
    ["/generate_stream", { inputs: "<fail:2>" }],
    ["/generate_stream", { inputs: "<abandoned:2>" }],
    ["/", { inputs: "a", stream: true }],
    ["/", { inputs: "<reject>", stream: true }],
  ];
  for (const [path, body] of [...endings, ...endings]) {
    const response = await post(app, path, body);
    assert.notEqual(response.status, 429, JSON.stringify(body));
    await response.text();
  }
});

Deno.test("the permit is free at the last token, before a slow reader has read it", async () => {
  const { app } = start({ maxConcurrentRequests: 1 });
  const unread = await post(app, "/generate_stream", { inputs: "a" });
  await settle();
  assert.equal((await post(app, "/generate", { inputs: "a" })).status, 200);
  await unread.text();
});
