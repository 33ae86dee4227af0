import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../e2e/server.ts";
import { startFakeHub } from "../fakes/hub.ts";
import { scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { openTerminal } from "./terminal.ts";

const MODEL = join(ROOT, "tests/fixtures/tiny-llama.gguf");
const PLAN = ["plan", "--model-id", MODEL, "--backend", "cpu"];

Deno.test("a terminal gets the plan on one screen, without loading the model", async () => {
  await using terminal = openTerminal(PLAN);
  equal(await terminal.ended, 0);
  const text = terminal.screen().join("\n");
  match(text, /^\/\S+tiny-llama\.gguf: llama, context \d+ tokens\nBackend cpu \(\S+\)$/m);
  for (const row of ["Weights", "KV cache", "Working space", "Needed", "Available"]) {
    match(text, new RegExp(`^  ${row} +[\\d.]+ [MG]B`, "m"));
  }
  match(text, /^It fits\.\nLongest sequence: \d+ tokens; \d+ would fit \(--max-total-tokens\)\.$/m);
  ok(terminal.screen().length <= 24);
});

Deno.test("--json has the numbers, the same that a start then takes", async () => {
  const { code, stdout, stderr } = await runInPipe([...PLAN, "--json", "--max-total-tokens", "64"]);
  equal(code, 0);
  equal(stderr, "");
  const plan = JSON.parse(stdout);
  equal(plan.maxTotalTokens, 64);
  equal(plan.problem, null);
  ok(plan.plan.weightsBytes > 0 && plan.fit.longest >= 64);
});

Deno.test("what does not fit is exit code 3, with the flag to change", async () => {
  const args = [...PLAN, "--max-batch-total-tokens", "4000000000"];
  const [people, json] = await Promise.all([runInPipe(args), runInPipe([...args, "--json"])]);
  equal(people.code, 3);
  match(
    people.stdout,
    /^It does not fit\. Cannot plan the memory: .*lower --max-batch-total-tokens/m,
  );
  equal(json.code, 3);
  match(JSON.parse(json.stdout).problem, /lower --max-batch-total-tokens to \d+ or less$/);
});

Deno.test("a model that is missing is one sentence and exit code 3", async () => {
  const { code, stdout, stderr } = await runInPipe(["plan", "--model-id", "/nowhere/a.gguf"]);
  equal(code, 3);
  equal(stdout, "");
  equal(
    stderr,
    "error: Cannot open the model /nowhere/a.gguf: there is no such file or folder; check --model-id.\n",
  );
});

Deno.test("a full disk under the plan is one sentence", async () => {
  const { code, stderr } = await runInPipe(PLAN, { shell: '"$@" > /dev/full' });
  equal(code, 1);
  match(stderr, /^error: Cannot write to standard output: the disk is full/);
});

Deno.test("a repository and a folder are planned as their file is", async () => {
  await using folder = await scratchFolder();
  const content = await Deno.readFile(MODEL);
  await using hub = startFakeHub({
    id: "owner/name",
    commit: "c".repeat(40),
    files: { "tiny-F32.gguf": content, "tiny-Q2_K.gguf": new Uint8Array(9) },
  });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder.path, "hub") };
  await Deno.writeFile(join(folder.path, "tiny.gguf"), content);
  const names = [MODEL, "owner/name", "owner/name:F32", folder.path];
  const plans = await Promise.all(names.map(async (name) => {
    const args = ["plan", "--model-id", name, "--backend", "cpu", "--json", "--quiet"];
    const { code, stdout, stderr } = await runInPipe(args, { env });
    equal(code, 0, stderr);
    const { model, architecture, maxTotalTokens, context, plan } = JSON.parse(stdout);
    equal(model, name);
    return { architecture, maxTotalTokens, context, weightsBytes: plan.weightsBytes };
  }));
  for (const plan of plans) deepEqual(plan, plans[0]);
  equal(plans[0]?.maxTotalTokens, plans[0]?.context);
});

Deno.test("no sequence is longer than the model's own context", async () => {
  const open = JSON.parse((await runInPipe([...PLAN, "--json"])).stdout);
  ok(open.maxTotalTokens <= open.context);
  ok(open.maxBatchTotalTokens >= open.maxTotalTokens);
  const many = ["--json", "--max-batch-total-tokens", String(open.context * 4)];
  equal(JSON.parse((await runInPipe([...PLAN, ...many])).stdout).maxTotalTokens, open.context);
  const few = ["--json", "--max-batch-total-tokens", "64", "--max-batch-prefill-tokens", "32"];
  equal(JSON.parse((await runInPipe([...PLAN, ...few])).stdout).maxTotalTokens, 64);
  const longer = ["--max-total-tokens", String(open.context + 1)];
  const { code, stderr } = await runInPipe([...PLAN, ...longer]);
  equal(code, 3);
  match(stderr, new RegExp(`${open.context + 1}.*${open.context}`));
});
