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

/** A raw request, its head and its body in one packet or in two. */
async function send(server: RunningServer, path: string, body: unknown, packets: 1 | 2) {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const text = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n` +
    `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(packets === 1 ? head + text : head));
  if (packets === 1) return connection;
  await untilMetric(server, "tgi_request_count 1");
  await connection.write(new TextEncoder().encode(text));
  return connection;
}

/** Waits until the metrics have this line. */
async function untilMetric(server: RunningServer, line: string): Promise<void> {
  const metrics = async () => await (await fetch(`${server.url}/metrics`)).text();
  while (!(await metrics()).split("\n").includes(line));
}

const LONG = { max_new_tokens: 1000 };
const CHOICES = { max_tokens: 1000, temperature: 0 };

const PLAIN: Readonly<Record<string, unknown>> = {
  "/generate": { inputs: "Hello", parameters: LONG },
  "/": { inputs: "Hello", parameters: LONG },
  "/invocations": { inputs: "Hello", parameters: LONG },
  "/vertex": { instances: [{ inputs: "Hello", parameters: LONG }] },
  "/v1/completions": { prompt: "Hello", ...CHOICES },
};

for (const [path, body] of Object.entries(PLAIN)) {
  for (const packets of [1, 2] as const) {
    const name = `a client of ${path} that sends ${packets} packets and cuts its connection`;
    Deno.test(`${name} while it waits gives its permit back`, async () => {
      await using server = await startScripted(ONE_AT_A_TIME);
      const connection = await send(server, path, body, packets);
      await untilMetric(server, "tgi_batch_current_size 1");
      connection.close();
      await untilFree(server);
      await untilMetric(server, 'tgi_request_failure{err="dropped"} 1');
    });
  }
}

for (const packets of [1, 2] as const) {
  Deno.test(`a client that breaks its connection during prefill after ${packets} packets gives its permit back`, async () => {
    const slow = [...ONE_AT_A_TIME, "--max-batch-prefill-tokens", "32"];
    await using server = await startScripted(slow);
    const body = { inputs: "word ".repeat(300), parameters: { max_new_tokens: 9 } };
    const connection = await send(server, "/generate_stream", body, packets);
    await untilMetric(server, "tgi_batch_current_size 1");
    connection.close();
    await untilFree(server);
    await untilMetric(server, 'tgi_request_failure{err="dropped"} 1');
  });
}

Deno.test("a client that sends two packets and waits is answered, however long it takes", async () => {
  await using server = await startScripted(ONE_AT_A_TIME);
  const body = { inputs: "Hello", parameters: { max_new_tokens: 100 } };
  const connection = await send(server, "/generate", body, 2);
  const answer = new Uint8Array(64);
  const length = await connection.read(answer);
  connection.close();
  assert.match(new TextDecoder().decode(answer.subarray(0, length ?? 0)), /^HTTP\/1\.1 200 OK/);
});
