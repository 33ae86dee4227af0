import assert from "node:assert/strict";
import { StreamResponse } from "../../server/schemas/responses.ts";
import { post, settle, start, until } from "./harness.ts";

const decoder = new TextDecoder();

Deno.test("a stream is one event a token, byte for byte", async () => {
  const { app } = start();
  const parameters = { max_new_tokens: 2, details: true };
  const response = await post(app, "/generate_stream", { inputs: "a b", parameters });
  assert.equal(
    await response.text(),
    'data: {"index":1,"token":{"id":11,"text":" one","logprob":-0.1,"special":false},' +
      '"generated_text":null,"details":null}\n\n' +
      'data: {"index":2,"token":{"id":12,"text":" two","logprob":-0.2,"special":false},' +
      '"generated_text":" one two","details":{"finish_reason":"length","generated_tokens":2,' +
      '"seed":null,"input_length":2}}\n\n',
  );
});

Deno.test("the headers of a stream are TGI's, and keep proxies from gathering", async () => {
  const { app } = start();
  const response = await post(app, "/generate_stream", { inputs: "añ" }, { "x-request-id": "1" });
  await response.text();
  assert.deepEqual(Object.fromEntries(response.headers), {
    "cache-control": "no-cache",
    "content-type": "text/event-stream",
    "x-accel-buffering": "no",
    "x-compute-characters": "2",
    "x-compute-type": "cpu",
    "x-request-id": "1",
  });
});

Deno.test("every event fits TGI's schema, and only the last has text and details", async () => {
  const { app } = start();
  const parameters = { max_new_tokens: 3, details: true, top_n_tokens: 2 };
  const text = await (await post(app, "/generate_stream", { inputs: "a", parameters })).text();
  const events = text.trim().split("\n\n").map((line) =>
    StreamResponse.parse(JSON.parse(line.slice("data: ".length)))
  );
  assert.deepEqual(events.map(({ generated_text }) => generated_text), [
    null,
    null,
    " one two three",
  ]);
  assert.deepEqual(events.map(({ details }) => details?.finish_reason), [
    undefined,
    undefined,
    "length",
  ]);
  assert.deepEqual(events.map(({ top_tokens }) => top_tokens?.length), [2, 2, 2]);
  assert.deepEqual(Object.keys(events[0]!), [
    "index",
    "token",
    "top_tokens",
    "generated_text",
    "details",
  ]);
});

Deno.test("a line break in a token stays inside its event", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = post(app, "/generate_stream", { inputs: "a", parameters: { max_new_tokens: 9 } });
  await until(() => engine.requests.length === 1);
  const { sink } = engine.requests[0]!;
  const token = { id: 1, text: '\n\r\u2028"', logprob: -Infinity, special: true };
  sink.token({ index: 1, last: false, token, top: [] });
  sink.flush();
  const reader = (await pending).body!.getReader();
  const { value } = await reader.read();
  assert.equal(
    decoder.decode(value),
    'data: {"index":1,"token":{"id":1,"text":"\\n\\r\u2028\\"","logprob":null,"special":true},' +
      '"generated_text":null,"details":null}\n\n',
  );
  await reader.cancel();
});

Deno.test("tokens of one step are one chunk", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = post(app, "/generate_stream", { inputs: "a", parameters: { max_new_tokens: 9 } });
  await until(() => engine.requests.length === 1);
  const { sink } = engine.requests[0]!;
  for (const index of [1, 2, 3]) {
    const token = { id: 1, text: "x", logprob: -1, special: false };
    sink.token({ index, last: false, token, top: [] });
  }
  sink.flush();
  const reader = (await pending).body!.getReader();
  const { value } = await reader.read();
  assert.equal(decoder.decode(value).match(/data: /g)?.length, 3);
  await reader.cancel();
});

Deno.test("an end that comes a poll after its token makes one event with it", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = post(app, "/generate_stream", { inputs: "a <eos:1>" });
  await until(() => engine.requests.length === 1);
  const { sink } = engine.requests[0]!;
  const late: (() => void)[] = [];
  const done = sink.done.bind(sink);
  sink.done = (record) => void late.push(() => done(record));
  engine.step();
  late[0]!();
  const text = await (await pending).text();
  assert.equal(
    text,
    'data: {"index":1,"token":{"id":11,"text":" one","logprob":-0.1,"special":false},' +
      '"generated_text":" one","details":null}\n\n',
  );
});

Deno.test("a silent stream gets comments, and its timer ends with it", async () => {
  const { app, engine } = start({ automatic: false, keepAliveMillis: 5 });
  const pending = post(app, "/generate_stream", { inputs: "a", parameters: { max_new_tokens: 1 } });
  const response = await pending;
  const reader = response.body!.getReader();
  assert.equal(response.status, 200);
  assert.equal(decoder.decode((await reader.read()).value), ":\n\n");
  assert.equal(decoder.decode((await reader.read()).value), ":\n\n");
  engine.step();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    rest += decoder.decode(part.value);
  }
  assert.match(rest, /^(:\n\n)*data: \{.*\}\n\n$/);
});

Deno.test("cancelling the body frees the sequence and its permit", async () => {
  const { app, engine } = start({ automatic: false, maxConcurrentRequests: 1 });
  const pending = post(app, "/generate_stream", { inputs: "a" });
  await until(() => engine.requests.length === 1);
  engine.step();
  await (await pending).body!.cancel();
  assert.equal(engine.requests[0]!.state, "cancelled");
  const next = post(app, "/generate", { inputs: "a", parameters: { max_new_tokens: 1 } });
  await until(() => engine.requests.length === 2);
  engine.step();
  assert.equal((await next).status, 200);
});

Deno.test("a client that leaves before the first token frees the sequence", async () => {
  for (const path of ["/generate", "/generate_stream"]) {
    const { app, engine } = start({ automatic: false });
    const client = new AbortController();
    const pending = app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"inputs":"a"}',
      signal: client.signal,
    });
    await until(() => engine.requests.length === 1);
    client.abort();
    assert.equal(engine.requests[0]!.state, "cancelled");
    assert.equal((await pending).status, 500);
  }
});

Deno.test("a client that left while the body was read never reaches the core's queue", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = app.request("/generate", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"inputs":"a"}',
    signal: AbortSignal.abort(),
  });
  assert.equal((await pending).status, 500);
  assert.ok(engine.requests.every(({ state }) => state === "cancelled"));
});

Deno.test("a reader that is behind pauses its own sequence until it reads on", async () => {
  const { app, engine } = start({ automatic: false });
  const slow = await firstEvents(app, engine, "<big>");
  const quick = await firstEvents(app, engine, "a");
  const quickText = readAll(quick);
  const [slowRequest, quickRequest] = engine.requests;
  for (let step = 0; step < 19; step += 1) engine.step();
  assert.deepEqual([slowRequest!.pauses, quickRequest!.pauses], [1, 0]);
  const written = slowRequest!.texts.length;
  assert.ok(written > 10 && written < 20, `${written} tokens of 16 KiB before the pause`);
  assert.equal((await quickText).match(/data: /g)?.length, 20);
  const slowText = readAll(slow);
  await until(() => !slowRequest!.isPaused);
  while (slowRequest!.state === "running") {
    engine.step();
    await settle();
  }
  assert.equal((await slowText).match(/data: /g)?.length, 20);
});

async function firstEvents(
  app: ReturnType<typeof start>["app"],
  engine: ReturnType<typeof start>["engine"],
  inputs: string,
): Promise<Response> {
  const count = engine.requests.length;
  const pending = post(app, "/generate_stream", { inputs });
  await until(() => engine.requests.length === count + 1);
  engine.step();
  return await pending;
}

function readAll(response: Response): Promise<string> {
  return response.text();
}
