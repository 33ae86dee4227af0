/** Adapters on the tiny checkpoint, against what PEFT computed; the hub is not asked. */

import assert from "node:assert/strict";
import { generation, ROOT, runToEnd, startServer } from "./server.ts";

const FIXTURES = `${ROOT}tests/fixtures`;
const ADAPTERS = `every=${FIXTURES}/tiny-llama-adapters/every,` +
  `org/attention=${FIXTURES}/tiny-llama-adapters/attention`;
const MODEL = ["--model-id", `${FIXTURES}/tiny-llama`];

interface Golden {
  readonly text: string;
  readonly greedy_ids: readonly number[];
}

const golden = async (file: string): Promise<Golden> =>
  JSON.parse(await Deno.readTextFile(`${FIXTURES}/${file}`));

Deno.test("requests of the model and of its adapters run side by side, each as PEFT has it", async () => {
  await using server = await startServer([...MODEL, "--lora-adapters", ADAPTERS]);
  const base = await golden("tiny-llama/golden.json");
  const cases = [
    [null, base.greedy_ids],
    ["every", (await golden("tiny-llama-adapters/every/golden.json")).greedy_ids],
    ["org/attention", (await golden("tiny-llama-adapters/attention/golden.json")).greedy_ids],
  ] as const;
  const asked = Array.from({ length: 12 }, (_, index) => cases[index % cases.length]!);
  const ids = await Promise.all(asked.map(async ([adapter_id, expected]) => {
    const parameters = { adapter_id, max_new_tokens: 16, details: true, ignore_eos: true };
    const response = await fetch(`${server.url}/generate`, generation(base.text, parameters));
    assert.equal(response.status, 200);
    const { details } = await response.json();
    const found = details.tokens.map(({ id }: { id: number }) => id);
    assert.deepEqual(found, expected, String(adapter_id));
    return found.join();
  }));
  assert.equal(new Set(ids).size, 3);
  const refused = await fetch(`${server.url}/generate`, generation("a", { adapter_id: "x" }));
  assert.equal(refused.status, 422);
  await refused.body?.cancel();
});

Deno.test("an adapter of another model ends the start in one sentence", async () => {
  const args = [
    "--model-id",
    `${ROOT}tests/goldens/architectures/gpt2`,
    "--lora-adapters",
    ADAPTERS,
  ];
  const { code, stderr } = await runToEnd(["--port", "0", ...args]);
  assert.equal(code, 3);
  assert.match(stderr, /Cannot load the adapter `every`: Cannot open .*\(--lora-adapters\)/);
});
