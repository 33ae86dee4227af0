import assert from "node:assert/strict";
import { eventsOf, generation, startScripted } from "./server.ts";

/** Steps of 5 ms: 100 tokens take about half a second. */
const SLOW = ["--scripted-step-micros", "5000"];

Deno.test("SIGTERM and SIGINT end an idle server with exit code 0", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using server = await startScripted();
    server.kill(signal);
    const { code, stderr } = await server.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /INFO Stopped; every request was answered\n$/);
  }
});

Deno.test("SIGTERM lets open streams finish and takes no more", async () => {
  await using server = await startScripted(SLOW);
  const asked = generation("Hello", { max_new_tokens: 100 });
  const responses = await Promise.all(
    Array.from({ length: 4 }, () => fetch(`${server.url}/generate_stream`, asked)),
  );
  const plain = fetch(`${server.url}/generate`, asked);
  await untilBusy(server.url, 5);
  server.kill("SIGTERM");
  await untilRefused(server.url);
  for (const events of await Promise.all(responses.map(eventsOf))) {
    assert.equal(events.length, 100);
    assert.equal(typeof events.at(-1)?.generated_text, "string");
  }
  assert.equal(typeof (await (await plain).json()).generated_text, "string");
  assert.equal((await server.ended).code, 0);
});

Deno.test("after the grace period open streams end with an error event", async () => {
  await using server = await startScripted([...SLOW, "--graceful-termination-timeout", "0"]);
  const asked = generation("Hello", { max_new_tokens: 400 });
  const response = await fetch(`${server.url}/generate_stream`, asked);
  server.kill("SIGTERM");
  const last = (await eventsOf(response)).at(-1);
  assert.deepEqual(last, {
    error: "Incomplete generation",
    error_type: "incomplete_generation",
  });
  const { code, stderr } = await server.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /WARN Stopped; requests that were still open have ended as incomplete\n$/);
});

Deno.test("a second signal ends the server at once", async () => {
  await using server = await startScripted(SLOW);
  const asked = generation("Hello", { max_new_tokens: 400 });
  const response = await fetch(`${server.url}/generate_stream`, asked);
  server.kill("SIGTERM");
  await untilRefused(server.url);
  server.kill("SIGTERM");
  assert.equal((await server.ended).code, 143);
  await assert.rejects(response.text());
});

/** Waits until the core has that many requests. */
async function untilBusy(url: string, requests: number): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (metrics.includes(`\ntgi_request_count ${requests}\n`)) return;
  }
}

/** Waits until the server accepts no connection. */
async function untilRefused(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  for (;;) {
    try {
      (await Deno.connect({ hostname, port: Number(port) })).close();
    } catch {
      return;
    }
  }
}
