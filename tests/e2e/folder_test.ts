/** A folder as transformers writes it, served: tests/fixtures/tiny-llama. */

import assert from "node:assert/strict";
import golden from "../fixtures/tiny-llama/golden.json" with { type: "json" };
import { generation, ROOT, runToEnd, startServer } from "./server.ts";

const FOLDER = `${ROOT}tests/fixtures/tiny-llama`;

/** Ids of the greedy continuation that a server gives. */
async function continuation(args: readonly string[]): Promise<number[]> {
  await using server = await startServer(["--model-id", FOLDER, ...args]);
  const parameters = { max_new_tokens: golden.greedy_ids.length, details: true };
  const response = await fetch(`${server.url}/generate`, generation(golden.text, parameters));
  assert.equal(response.status, 200);
  const { details } = await response.json();
  return details.tokens.map((token: { readonly id: number }) => token.id);
}

Deno.test("a folder of safetensors is served with transformers' own tokens by both backends", async () => {
  for (const backend of ["candle", "cpu"]) {
    assert.deepEqual(await continuation(["--backend", backend]), golden.greedy_ids);
  }
});

Deno.test("its chat template makes the prompt", async () => {
  await using server = await startServer(["--model-id", FOLDER]);
  const body = { model: "tgi", max_tokens: 4, messages: [{ role: "user", content: "river" }] };
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200);
  assert.equal((await response.json()).choices.length, 1);
  const rendered = await fetch(`${server.url}/chat_tokenize`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const { templated_text } = await rendered.json();
  assert.equal(templated_text, "<s><user>river\n<assistant>");
});

Deno.test("weights quantized at load take less memory, and the plan says so", async () => {
  const bytes = async (...args: string[]) => {
    const plan = await runToEnd(["plan", "--model-id", FOLDER, "--json", ...args]);
    assert.equal(plan.code, 0, plan.stderr);
    return JSON.parse(plan.stdout).plan.weightsBytes;
  };
  const stored = await bytes();
  const eight = await bytes("--quantize", "q8_0");
  const four = await bytes("--quantize", "bitsandbytes-nf4");
  assert.ok(four < eight && eight < 0.7 * stored, `${stored} ${eight} ${four}`);
  assert.ok(await bytes("--dtype", "float32") > 1.9 * stored);
  assert.equal((await continuation(["--quantize", "q8_0"])).length > 0, true);
});

Deno.test("a file that is quantized already is not quantized again", async () => {
  const file = `${ROOT}tests/fixtures/tiny-llama.gguf`;
  const { code, stderr } = await runToEnd(["plan", "--model-id", file, "--quantize", "q4_0"]);
  assert.equal(code, 3);
  assert.match(stderr, /Cannot quantize the model to q4_0: its weights are quantized already; /);
});
