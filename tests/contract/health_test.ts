import assert from "node:assert/strict";
import { emptyStep } from "./fake_engine.ts";
import { post, start, summary, until } from "./harness.ts";

const unhealthy = '503 application/json\n{"error":"unhealthy","error_type":"healthcheck"}';
const paths = ["/", "/health", "/ping"];

Deno.test("a healthy core is a 200 with an empty body, and no work", async () => {
  const { app, engine } = start();
  for (const path of paths) assert.equal(await summary(await app.request(path)), "200 null\n");
  assert.equal(engine.requests.length, 0);
});

Deno.test("a dead core is a 503", async () => {
  const { app, engine } = start();
  engine.alive = false;
  for (const path of paths) assert.equal(await summary(await app.request(path)), unhealthy);
});

Deno.test("after a failed step the next check generates one token", async () => {
  const { app, engine } = start();
  await post(app, "/generate", { inputs: "<fail:0>" });
  assert.equal((await app.request("/health")).status, 200);
  const { inputs, parameters } = engine.requests[1]!.job;
  assert.deepEqual([inputs, parameters.max_new_tokens, parameters.do_sample], [
    "liveness",
    1,
    false,
  ]);
  assert.equal((await app.request("/health")).status, 200);
  assert.equal(engine.requests.length, 2, "the core is no longer in doubt");
});

Deno.test("a core that cannot generate stays a 503", async () => {
  const { app, engine } = start({ automatic: false });
  engine.onStep({ ...emptyStep, failed: true });
  for (let check = 0; check < 2; check += 1) {
    const answer = app.request("/health");
    await until(() => engine.requests.length === check + 1);
    engine.requests[check]!.sink.failed({ kind: "generation", message: "broken" });
    assert.equal(await summary(await answer), unhealthy);
  }
});

Deno.test("checks at the same time share one token", async () => {
  const { app, engine } = start({ automatic: false });
  engine.onStep({ ...emptyStep, failed: true });
  const answers = paths.map((path) => app.request(path));
  await until(() => engine.requests.length > 0);
  engine.step();
  for (const answer of answers) assert.equal((await answer).status, 200);
  assert.equal(engine.requests.length, 1);
});

Deno.test("a check is no request in the metrics", async () => {
  const { app, engine } = start();
  engine.onStep({ ...emptyStep, failed: true });
  await app.request("/health");
  assert.match(await (await app.request("/metrics")).text(), /\ntgi_request_count 0\n/);
});
