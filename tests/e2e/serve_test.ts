import assert from "node:assert/strict";
import { eventsOf, generation, startScripted } from "./server.ts";

Deno.test("a started server says what it runs on and ends with its address", async () => {
  await using server = await startScripted(["--num-shard", "2"]);
  const lines = server.log().trimEnd().split("\n");
  assert.match(lines.at(-1) ?? "", /INFO Serving scripted on http:\/\/127\.0\.0\.1:\d+$/);
  const log = lines.join("\n");
  assert.match(log, /INFO Core: .*libtgi_core/);
  assert.match(log, /INFO Core: backend scripted on cpu \(the default\), instruction set none /);
  assert.match(log, /INFO Memory: weights .* KV cache .* available/);
  assert.match(log, /WARN --num-shard has no effect here: /);
});

Deno.test("a started server says who named its device", async () => {
  await using server = await startScripted(["--device", "cpu"]);
  assert.match(server.log(), /INFO Core: backend scripted on cpu \(named by --device\), /);
});

Deno.test("the log is JSON with TGI's keys when asked for", async () => {
  await using server = await startScripted(["--json-output"]);
  for (const line of server.log().trimEnd().split("\n")) {
    const { timestamp, level, message, target } = JSON.parse(line);
    assert.ok(!Number.isNaN(Date.parse(timestamp)));
    assert.ok(["INFO", "WARN"].includes(level));
    assert.equal(typeof message, "string");
    assert.match(target, /^tgi/);
  }
});

Deno.test("a stream has the tokens of the plain answer, event by event", async () => {
  await using server = await startScripted();
  const asked = generation("Hello, my name is", { max_new_tokens: 24 });
  const plain = await fetch(`${server.url}/generate`, asked);
  assert.equal(plain.status, 200);
  const { generated_text } = await plain.json();
  assert.ok(generated_text.length > 0);
  const response = await fetch(`${server.url}/generate_stream`, asked);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const events = await eventsOf(response);
  assert.equal(events.length, 24);
  assert.deepEqual(events.map((event) => event.generated_text), [
    ...Array(23).fill(null),
    generated_text,
  ]);
  assert.equal(events.map((event) => event.token?.text ?? "").join(""), generated_text);
});

Deno.test("streams at the same time get what they get alone", async () => {
  await using server = await startScripted();
  const ask = async (prompt: string) => {
    const asked = generation(prompt, { max_new_tokens: 40, temperature: 0.9, seed: 7 });
    return (await eventsOf(await fetch(`${server.url}/generate_stream`, asked))).at(-1);
  };
  const prompts = Array.from({ length: 16 }, (_, index) => `Story ${index}: once upon a time`);
  const alone: unknown[] = [];
  for (const prompt of prompts) alone.push(await ask(prompt));
  assert.deepEqual(await Promise.all(prompts.map(ask)), alone);
});

Deno.test("health, info and metrics tell of the requests", async () => {
  await using server = await startScripted(["--max-total-tokens", "256"]);
  const asked = generation("Hello", { max_new_tokens: 3 });
  await (await fetch(`${server.url}/generate`, asked)).body?.cancel();
  const health = await fetch(`${server.url}/health`);
  assert.equal(health.status, 200);
  assert.equal(await health.text(), "");
  const info = await (await fetch(`${server.url}/info`)).json();
  assert.equal(info.model_id, "scripted");
  assert.equal(info.max_total_tokens, 256);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^tgi_request_success 1$/m);
  assert.match(metrics, /^tgi_request_generated_tokens_sum 3$/m);
});

Deno.test("a request that breaks the core fails alone, and the server goes on", async () => {
  await using server = await startScripted();
  const asked = generation("<panic>", { max_new_tokens: 3 });
  const broken = await fetch(`${server.url}/generate`, asked);
  assert.equal(broken.status, 424);
  assert.equal((await broken.json()).error_type, "generation");
  const next = await fetch(`${server.url}/generate`, generation("Hello", { max_new_tokens: 3 }));
  assert.equal(next.status, 200);
  await next.body?.cancel();
  const health = await fetch(`${server.url}/health`);
  assert.equal(health.status, 200);
  await health.body?.cancel();
});

Deno.test("a server that the network reaches without a key says so, with a key it does not", async () => {
  await using open = await startScripted(["--hostname", "0.0.0.0"]);
  assert.match(open.log(), /WARN Anyone who reaches 0\.0\.0\.0 may use this server/);
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "# keys\nsecret\n");
  await using closed = await startScripted(["--hostname", "0.0.0.0", "--api-key-file", file]);
  assert.doesNotMatch(closed.log(), /Anyone/);
  const refused = await fetch(`http://127.0.0.1:${closed.port}/info`);
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
  const headers = { authorization: "Bearer secret" };
  const info = await fetch(`http://127.0.0.1:${closed.port}/info`, { headers });
  assert.equal(info.status, 200);
  await info.body?.cancel();
  await Deno.remove(file);
});

Deno.test("completions of the same seed are the same, whole as streamed", async () => {
  await using server = await startScripted();
  const ask = (extra: Record<string, unknown>) =>
    fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: ["Hello", "Bye"], max_tokens: 12, n: 2, seed: 5, ...extra }),
    });
  const { choices } = await (await ask({})).json();
  const texts = ["", "", "", ""];
  const lines = (await (await ask({ stream: true })).text()).trim().split("\n\n");
  assert.equal(lines.pop(), "data: [DONE]");
  for (const line of lines) {
    const [choice] = JSON.parse(line.slice("data: ".length)).choices;
    texts[choice.index] += choice.text;
  }
  assert.deepEqual(choices.map(({ text }: { text: string }) => text), texts);
  assert.equal(new Set(texts).size, 4);
});
