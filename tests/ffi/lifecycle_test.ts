import { equal, ok, rejects, throws } from "node:assert/strict";
import { Engine } from "../../ffi/engine.ts";
import { StartError, UnhealthyError } from "../../server/errors.ts";
import { Collector, footprint, job, openEngine, scripted, start } from "./support.ts";

Deno.test("the core tells what it chose", async () => {
  await using engine = await openEngine({ scripted: { pages: 16, context: 300 } });
  const { info } = engine;
  equal(info.backend, "scripted");
  equal(info.context, 300);
  equal(info.maxTotalTokens, 300);
  equal(info.maxBatchTotalTokens, 512);
  equal(info.plan.kvBytes, 512 * info.plan.kvBytesPerToken);
  ok(info.plan.availableBytes > 0);
  ok(engine.library.path.endsWith(".so") && engine.library.reason.length > 0);
});

Deno.test("closing ends open requests as incomplete, once", async () => {
  const engine = await Engine.open(scripted());
  const requests = Array.from({ length: 64 }, (_, index) => start(engine, job(`${index}`, 8000)));
  await requests[0]?.seen(2);
  await Promise.all([engine.close(), engine.close()]);
  for (const request of requests) equal((await request.failure()).kind, "incomplete");
});

Deno.test("a closed engine takes nothing and answers quietly", async () => {
  const engine = await Engine.open(scripted());
  const closing = engine.close();
  equal(engine.alive, false);
  throws(() => engine.submit(job("a", 1), new Collector()), UnhealthyError);
  await closing;
  engine.cancel(1);
  engine.pause(1);
  engine.resume(1);
  equal(engine.alive, false);
});

Deno.test("one core is open at a time", async () => {
  await using engine = await openEngine();
  await rejects(Engine.open(scripted()), StartError);
  ok(engine.alive);
  await start(engine, job("a", 2)).success();
});

Deno.test("opening and closing 20 times leaves no thread and no file behind", async () => {
  const cycle = async () => {
    await using engine = await openEngine({ validationWorkers: 4 });
    start(engine, job("a", 8000));
    await start(engine, job("b", 5)).success();
    // A thread takes its name when it first runs: the one that steps and one worker have.
    ok(footprint().own >= 2);
  };
  await cycle();
  const before = footprint();
  for (let count = 0; count < 20; count++) await cycle();
  // The kernel may list a thread for a moment after it was joined.
  for (let tries = 0; tries < 1000 && footprint().own > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const after = footprint();
  equal(after.own, 0);
  // Deno's own pool grows and shrinks meanwhile, by less than a thread for each time.
  ok(after.threads < before.threads + 20, `threads: ${before.threads}, then ${after.threads}`);
  ok(after.files <= before.files, `files: ${before.files}, then ${after.files}`);
});
