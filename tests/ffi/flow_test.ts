import { deepEqual, equal, ok } from "node:assert/strict";
import { job, openEngine, start, stepWhere } from "./support.ts";

const FOREVER = 8000;
/** Steps slow enough that no long request ends before this thread has reached it. */
const SLOW = { stepMicros: 100 };

Deno.test("a cancelled request leaves the engine and its sink hears nothing more", async () => {
  await using engine = await openEngine({ scripted: SLOW });
  const request = start(engine, job("a", FOREVER));
  await request.seen(3);
  const left = stepWhere(engine, ({ running }) => running === 0);
  engine.cancel(request.id);
  const tokens = request.tokens.length;
  await left;
  await start(engine, job("b", 2)).success();
  equal(request.tokens.length, tokens);
});

Deno.test("a paused request stands still while others run, and goes on", async () => {
  await using engine = await openEngine({ scripted: SLOW });
  const paused = start(engine, job("a", 2000));
  engine.pause(paused.id);
  await start(engine, job("b", 20)).success();
  const tokens = paused.tokens.length;
  ok(tokens < 2000);
  await start(engine, job("c", 20)).success();
  equal(paused.tokens.length, tokens);
  engine.resume(paused.id);
  equal((await paused.success()).generatedTokens, 2000);
  const undisturbed = start(engine, job("a", 2000));
  await undisturbed.success();
  deepEqual(paused.tokens, undisturbed.tokens);
});

Deno.test("a request paused for too long is given up", async () => {
  await using engine = await openEngine({ pauseLimitMillis: 20, scripted: SLOW });
  const request = start(engine, job("a", FOREVER));
  await request.seen(1);
  engine.pause(request.id);
  equal((await request.failure()).kind, "abandoned");
});

Deno.test("unknown ids are ignored", async () => {
  await using engine = await openEngine();
  engine.cancel(12345);
  engine.pause(12345);
  engine.resume(12345);
  await start(engine, job("a", 2)).success();
});

Deno.test("a slow event loop loses no token", async () => {
  await using engine = await openEngine();
  const requests = Array.from({ length: 32 }, (_, index) => start(engine, job(`${index}`, 2000)));
  const until = performance.now() + 300;
  while (performance.now() < until);
  for (const request of requests) {
    equal((await request.success()).generatedTokens, 2000);
    equal(request.tokens.length, 2000);
    ok(request.tokens.every(({ index }, at) => index === at + 1));
  }
});
