import assert from "node:assert/strict";
import { FakeEngine, info } from "../../tests/contract/fake_engine.ts";
import { doneRecord } from "../../tests/fakes/done_record.ts";
import { GenerationError, OverloadedError } from "../errors.ts";
import { Metrics } from "../metrics/metrics.ts";
import { Permits } from "../permits.ts";
import { OpenRequest } from "./open_request.ts";

const nothing = () => {};
const sink = {
  accepted: nothing,
  prefill: nothing,
  token: nothing,
  done: nothing,
  failed: nothing,
  flush: nothing,
};
const job = { inputs: "a", parameters: {} };

/** A request in the core of a server with one permit. */
function submitted(signal = new AbortController().signal, gone: () => void = nothing) {
  const metrics = new Metrics(info);
  const permits = new Permits(1);
  const engine = new FakeEngine(false);
  const open = OpenRequest.admit(metrics, permits);
  open.submit(engine, job, sink, signal, gone);
  return { metrics, permits, engine, open, request: engine.requests[0]! };
}

Deno.test("a request that is dropped is cancelled once and gives its permit back once", () => {
  const { open, permits, request } = submitted();
  open.drop();
  assert.deepEqual([request.state, permits.taken], ["cancelled", 0]);
  permits.acquire();
  open.drop();
  open.fail(new GenerationError("late"));
  assert.equal(permits.taken, 1);
});

Deno.test("a request that has ended is not cancelled, paused or resumed", () => {
  const { open, request } = submitted();
  open.fail(new GenerationError("x"));
  open.drop();
  open.pause();
  open.resume();
  assert.deepEqual([request.state, request.pauses], ["waiting", 0]);
});

Deno.test("an abort drops the request and tells, until the request has ended", () => {
  const client = new AbortController();
  let calls = 0;
  const first = submitted(client.signal, () => void (calls += 1));
  const second = submitted(client.signal, () => void (calls += 1));
  second.open.fail(new GenerationError("x"));
  client.abort();
  assert.deepEqual([first.request.state, second.request.state], ["cancelled", "waiting"]);
  assert.equal(calls, 1);
});

Deno.test("a signal that has aborted already drops the request at once", () => {
  let calls = 0;
  const { request, permits } = submitted(AbortSignal.abort(), () => void (calls += 1));
  assert.deepEqual([request.state, permits.taken, calls], ["cancelled", 0, 1]);
});

Deno.test("a request without a permit is counted as overloaded", async () => {
  const metrics = new Metrics(info);
  assert.throws(() => OpenRequest.admit(metrics, new Permits(0)), OverloadedError);
  const text = await metrics.text();
  assert.match(text, /^tgi_request_count 1$/m);
  assert.match(text, /^tgi_request_failure\{err="overloaded"\} 1$/m);
});

Deno.test("validation time is the core's and what came before it", () => {
  const { open } = submitted();
  open.accepted({ promptTokens: 1, maxNewTokens: 1, validationMicros: 2000 });
  const timings = open.succeed(doneRecord());
  assert.ok(timings.validation >= 2);
});
