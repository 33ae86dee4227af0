import { equal, match, ok, rejects, throws } from "node:assert/strict";
import { Engine } from "../../ffi/engine.ts";
import { OverloadedError, StartError, ValidationError } from "../../server/errors.ts";
import { job, openEngine, scripted, start, stepWhere } from "./support.ts";

for (const fault of ["<panic>", "<fail>"]) {
  Deno.test(`${fault} in a step fails its batch, and the engine goes on`, async () => {
    await using engine = await openEngine();
    const failed = stepWhere(engine, (step) => step.failed);
    const failure = await start(engine, job(`a ${fault}`, 5)).failure();
    equal(failure.kind, "generation");
    ok(failure.message.length > 0);
    await failed;
    ok(engine.alive);
    equal((await start(engine, job("a", 5)).success()).generatedTokens, 5);
  });
}

Deno.test("a job that the core cannot read is refused at once", async () => {
  await using engine = await openEngine();
  const parameters = { top_k: 5_000_000_000 };
  throws(() => start(engine, { inputs: "a", parameters }), (error) => {
    ok(error instanceof ValidationError);
    match(error.message, /^Input validation error: Cannot read the request: .*5000000000/);
    return true;
  });
  await start(engine, job("a", 2)).success();
});

Deno.test("more jobs than the core can queue are refused as overload", async () => {
  await using engine = await openEngine({ validationWorkers: 1 });
  const slow = job("many words ".repeat(500), 1);
  throws(() => {
    for (let count = 0; count < 100_000; count++) start(engine, slow);
  }, OverloadedError);
});

Deno.test("a sink that throws ends its own request and no other", async () => {
  await using engine = await openEngine({ scripted: { stepMicros: 100 } });
  const errors: unknown[] = [];
  const thrown = Promise.withResolvers<void>();
  engine.onError = (error) => {
    errors.push(error);
    thrown.resolve();
  };
  const broken = start(engine, job("a", 8000));
  broken.token = () => {
    throw new Error("broken");
  };
  const other = start(engine, job("b", 2000));
  await thrown.promise;
  equal((await other.success()).generatedTokens, 2000);
  equal(errors.length, 1);
});

const REFUSALS: readonly [string, Parameters<typeof scripted>[0] & object, RegExp][] = [
  ["an unknown backend", { backend: "tpu" as "cpu" }, /^Cannot open backend "tpu": .*--backend/],
  ["candle without a file", { backend: "candle" }, /without a model file; set --model-id$/],
  [
    "a file that is not there",
    { backend: "candle", modelPath: "/nowhere.gguf" },
    /^Cannot open \/nowhere\.gguf/,
  ],
  ["a broken type", { speculate: "x" as unknown as number }, /^Cannot read the engine configur/],
  [
    "contradicting limits",
    { maxInputTokens: 10, maxTotalTokens: 10 },
    /^`max_input_tokens` must be < `max_total_tokens`$/,
  ],
  [
    "more memory than there is",
    { maxBatchSize: 4_000_000_000 },
    /^Cannot plan the memory: .* MiB are available; lower --max-batch-size/,
  ],
];

for (const [name, changes, message] of REFUSALS) {
  Deno.test(`${name} is refused at the start in one sentence`, async () => {
    await rejects(Engine.open(scripted(changes)), (error) => {
      ok(error instanceof StartError);
      match(error.message, message);
      return true;
    });
  });
}
