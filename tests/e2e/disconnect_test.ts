import assert from "node:assert/strict";
import { generation, type RunningServer, startScripted } from "./server.ts";

/** One permit, and steps so slow that no generation here ends by itself. */
const ONE_AT_A_TIME = ["--max-concurrent-requests", "1", "--scripted-step-micros", "20000"];

async function statusOf(server: RunningServer): Promise<number> {
  const asked = generation("Hello", { max_new_tokens: 1 });
  const response = await fetch(`${server.url}/generate`, asked);
  await response.body?.cancel();
  return response.status;
}

/** Waits for the permit. */
async function untilFree(server: RunningServer): Promise<void> {
  while (await statusOf(server) !== 200);
}

Deno.test("a client that goes away in mid-stream gives its permit back", async () => {
  await using server = await startScripted(ONE_AT_A_TIME);
  const asked = generation("Hello", { max_new_tokens: 1000 });
  const response = await fetch(`${server.url}/generate_stream`, asked);
  const reader = response.body?.getReader();
  await reader?.read();
  assert.equal(await statusOf(server), 429);
  await reader?.cancel();
  await untilFree(server);
});

Deno.test("a client that goes away while it waits for a plain answer gives its permit back", async () => {
  await using server = await startScripted(ONE_AT_A_TIME);
  const gone = new AbortController();
  const asked = generation("Hello", { max_new_tokens: 1000 });
  const waiting = fetch(`${server.url}/generate`, { ...asked, signal: gone.signal });
  while (await statusOf(server) !== 429);
  gone.abort();
  await assert.rejects(waiting);
  await untilFree(server);
});

Deno.test("a client that breaks its connection during prefill gives its permit back", async () => {
  await using server = await startScripted([...ONE_AT_A_TIME, "--max-batch-prefill-tokens", "32"]);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const inputs = "word ".repeat(300);
  const body = JSON.stringify({ inputs, parameters: { max_new_tokens: 9 } });
  const head = `POST /generate_stream HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head + body));
  while (await statusOf(server) !== 429);
  connection.close();
  await untilFree(server);
});
