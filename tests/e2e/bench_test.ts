import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { parseReport } from "../../server/bench/report.ts";
import { generous } from "./generous.ts";
import { type Ended, ROOT, type RunningServer, startScripted } from "./server.ts";

/** `run --no-prompt … scripts/bench.ts`, as `deno task bench` has it. */
const RUN_BENCH = config.tasks.bench.command.split(" ").slice(1);

/** Steps of 2 ms: a stream of 20 tokens lasts 40 ms and more. */
const SLOW = ["--scripted-step-micros", "2000"];

function start(server: RunningServer, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...RUN_BENCH, "--url", server.url, "--max-new-tokens", "20", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function endOf(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await generous(child.output(), "the end of the benchmark");
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Waits until the server has begun so many requests. */
async function untilAsked(server: RunningServer, requests: number): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const count = /^tgi_request_count (\d+)$/m.exec(metrics)?.[1];
    if (Number(count) >= requests) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("the server is measured with the task's own permissions, every token counted", async () => {
  await using server = await startScripted(SLOW);
  const args = ["--clients", "1,4", "--requests", "2", "--rounds", "2", "--json"];
  const { code, stdout, stderr } = await endOf(start(server, args));
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  const { cells } = parseReport(stdout, "standard output");
  assert.deepEqual(cells.map(({ ok, failed }) => [ok, failed]), [[4, 0], [16, 0]]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const generated = Number(/^tgi_request_generated_tokens_sum (\d+)$/m.exec(metrics)?.[1]);
  const counted = cells.reduce((sum, { tokens }) => sum + tokens, 0);
  // The warm-up's five streams are not in the report.
  assert.ok(counted > 0 && counted < generated && generated - counted <= 5 * 20);
});

Deno.test("SIGINT ends a run with the table of what was measured, exit code 130", async () => {
  await using server = await startScripted(SLOW);
  const child = start(server, ["--clients", "1,2", "--requests", "5", "--rounds", "1000"]);
  const ended = endOf(child);
  await untilAsked(server, 12);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 130, stderr);
  assert.equal(stderr, "");
  assert.match(stdout, /\n1 client +[\d.,]+/);
  assert.match(stdout, /requests: [1-9]\d* ok, 0 failed/);
  assert.match(stdout, /\nInterrupted: this is what was measured until then\.\n$/);
});

Deno.test("a server that is killed while it is measured is named, never a trace", async () => {
  await using server = await startScripted(SLOW);
  const ended = endOf(start(server, ["--clients", "4", "--requests", "500", "--rounds", "1"]));
  await untilAsked(server, 12);
  server.kill("SIGKILL");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 1);
  assert.equal(stderr, "");
  assert.match(stdout, /\n4 clients: \d+ × connection lost\n/);
  assert.match(stdout, /\n4 clients: \d+ × connection refused\n/);
});

Deno.test("a server without permits answers 429, which is counted and named", async () => {
  await using server = await startScripted([...SLOW, "--max-concurrent-requests", "2"]);
  const args = ["--clients", "8", "--requests", "3", "--rounds", "1"];
  const { code, stdout, stderr } = await endOf(start(server, args));
  assert.equal(code, 1);
  assert.equal(stderr, "");
  assert.match(stdout, /\n8 clients: \d+ × status 429: Model is overloaded\n/);
  assert.match(stdout, /requests: [1-9]\d* ok, [1-9]\d* failed/);
});
