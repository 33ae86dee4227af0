/** The memory plan against what the process really takes. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { generation, runToEnd, startScripted, startServer } from "./server.ts";

const LIMITS = ["--max-batch-size", "8", "--max-total-tokens", "512"];
const CACHE = ["--max-batch-total-tokens", "4096"];

/** Memory of a process that no file backs, bytes. */
async function ownBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** Fills the KV cache, and every row of logits. */
async function fill(url: string): Promise<void> {
  const requests = Array.from({ length: 8 }, async (_, index) => {
    const inputs = `${"abcdefgh"[index]} ${"word ".repeat(420)}`;
    const parameters = { max_new_tokens: 64, top_n_tokens: 2, details: true, ignore_eos: true };
    const response = await fetch(`${url}/generate`, generation(inputs, parameters));
    assert.equal(response.status, 200, await response.text());
  });
  await Promise.all(requests);
}

for (const file of ["smollm2-135m-instruct-q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"]) {
  Deno.test(`the plan of ${file} is within a tenth of what its server takes`, async () => {
    const folder = Deno.env.get("TGI_TEST_MODELS");
    assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
    const args = ["--model-id", join(folder, file), ...LIMITS, ...CACHE];
    const told = await runToEnd(["plan", "--json", ...args]);
    const { weightsBytes, kvBytes, arenaBytes } = JSON.parse(told.stdout).plan;
    const planned = weightsBytes + kvBytes + arenaBytes;
    await using empty = await startScripted(LIMITS);
    await fill(empty.url);
    const without = await ownBytes(empty.pid);
    await using server = await startServer(args);
    await fill(server.url);
    const taken = await ownBytes(server.pid) - without;
    assert.ok(Math.abs(taken / planned - 1) < 0.1, `planned ${planned}, taken ${taken}`);
  });
}
