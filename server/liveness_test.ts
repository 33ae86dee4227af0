import assert from "node:assert/strict";
import { emptyStep, FakeEngine } from "../tests/contract/fake_engine.ts";
import { Liveness } from "./liveness.ts";

Deno.test("a core that never failed is alive without a token", async () => {
  const engine = new FakeEngine(false);
  assert.equal(await new Liveness(engine).check(), true);
  assert.equal(engine.requests.length, 0);
});

Deno.test("a step that succeeds ends the doubt", async () => {
  const engine = new FakeEngine(false);
  const liveness = new Liveness(engine);
  liveness.stepped({ ...emptyStep, failed: true });
  liveness.stepped(emptyStep);
  assert.equal(await liveness.check(), true);
  assert.equal(engine.requests.length, 0);
});

Deno.test("a token that does not come in time is no sign of life, and is cancelled", async () => {
  const engine = new FakeEngine(false);
  const liveness = new Liveness(engine, 1);
  liveness.stepped({ ...emptyStep, failed: true });
  assert.equal(await liveness.check(), false);
  assert.equal(engine.requests[0]!.state, "cancelled");
});

Deno.test("a late token does not matter while other steps succeed", async () => {
  const engine = new FakeEngine(false);
  const liveness = new Liveness(engine, 5);
  liveness.stepped({ ...emptyStep, failed: true });
  const answer = liveness.check();
  liveness.stepped(emptyStep);
  assert.equal(await answer, true);
});

Deno.test("a core that takes no job is not alive", async () => {
  const engine = new FakeEngine(false);
  engine.refusal = new Error("stopped");
  const liveness = new Liveness(engine);
  liveness.stepped({ ...emptyStep, failed: true });
  assert.equal(await liveness.check(), false);
});
