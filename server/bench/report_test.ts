import assert from "node:assert/strict";
import fc from "fast-check";
import { reportOf, steadyRound } from "../../tests/fakes/bench_report.ts";
import { parseReport, summarize } from "./report.ts";

const GOAL = { ttftMillis: 20, interTokenMillis: 3 };
const LOAD = { kind: "closed", clients: 2 } as const;

Deno.test("rounds are put together by their medians, with least and most", () => {
  const rounds = [10, 40, 20].map((requests) => steadyRound(requests));
  const cell = summarize(LOAD, rounds, GOAL);
  assert.deepEqual([cell.rounds, cell.ok, cell.failed, cell.tokens], [3, 70, 0, 350]);
  assert.deepEqual(cell.figures.tokensPerSecond, { median: 100, min: 50, max: 200 });
  assert.deepEqual(cell.figures.requestsPerSecond, { median: 20, min: 10, max: 40 });
  assert.deepEqual(cell.figures.ttftP99, { median: 10, min: 10, max: 10 });
  assert.deepEqual(cell.figures.interTokenP50, { median: 2, min: 2, max: 2 });
  assert.equal(cell.figures.endToEndP50?.median, 18);
  assert.equal(cell.figures.microsPerToken, null);
});

Deno.test("goodput is the share of all requests that kept both goals", () => {
  const of = (round: ReturnType<typeof steadyRound>) =>
    summarize(LOAD, [round], GOAL).figures.goodput?.median;
  assert.equal(of(steadyRound(3)), 100);
  assert.equal(of(steadyRound(3, { errors: { "status 429": 1 } })), 75);
  assert.equal(of(steadyRound(3, { ttft: 21 })), 0);
  assert.equal(of(steadyRound(3, { interToken: 3.5 })), 0);
  assert.equal(of(steadyRound(3, { tokens: 1 })), 100);
  assert.equal(of(steadyRound(0, { errors: { "status 429": 4 } })), 0);
});

Deno.test("processor time is told for each token", () => {
  const round = { ...steadyRound(4), processorMicros: 500 };
  assert.equal(summarize(LOAD, [round], GOAL).figures.microsPerToken?.median, 25);
});

Deno.test("failures are added up by kind, and without an answer there are no latencies", () => {
  const failing = steadyRound(0, { errors: { "connection refused": 3 } });
  const mixed = steadyRound(0, { errors: { "connection refused": 1, "status 500": 2 } });
  const cell = summarize(LOAD, [failing, mixed], GOAL);
  assert.deepEqual(cell.errors, { "connection refused": 4, "status 500": 2 });
  assert.deepEqual([cell.ok, cell.failed], [0, 6]);
  assert.equal(cell.figures.ttftP50, null);
  assert.deepEqual(cell.curves, { ttft: [], interToken: [] });
});

Deno.test("percentile curves rise from the least to the most of all rounds", () => {
  const times = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(fc.array(times, { minLength: 1 }), (rounds) => {
    const cell = summarize(
      LOAD,
      rounds.flatMap((each) => each.map((ttft) => steadyRound(1, { ttft }))),
      GOAL,
    );
    const values = cell.curves.ttft.map(({ millis }) => millis);
    assert.deepEqual(values, values.toSorted((a, b) => a - b));
    assert.equal(values[0], Math.min(...rounds.flat()));
    assert.equal(values.at(-1), Math.max(...rounds.flat()));
  }));
});

Deno.test("a report is read as it was written, and nothing else is", () => {
  const errors = { 'status 429: "x"': 2 };
  const report = reportOf({ 1: [steadyRound(2)], 64: [steadyRound(0, { errors })] });
  assert.deepEqual(parseReport(JSON.stringify(report), "a.json"), report);
  for (const text of ["", "{}", "[1]", JSON.stringify({ ...report, cells: [{}] })]) {
    assert.throws(() => parseReport(text, "a.json"), { exitCode: 2, message: /compare a\.json/ });
  }
});
