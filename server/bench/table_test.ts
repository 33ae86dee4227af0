import assert from "node:assert/strict";
import { reportOf, steadyRound } from "../../tests/fakes/bench_report.ts";
import { shortNumber } from "./columns.ts";
import { drawTable } from "./table.ts";

const PLAIN = { colour: false };

Deno.test("a run is a table of its loads with what is to be said about them", () => {
  const errors = { "status 429: over\x1b[31mloaded\n": 3 };
  const report = reportOf({
    1: [steadyRound(1), steadyRound(2), steadyRound(3)],
    64: [steadyRound(300, { ttft: 1234, interToken: 12.34, errors })],
  });
  assert.deepEqual(drawTable(report, PLAIN).split("\n"), [
    "http://127.0.0.1:1 (tgi): prompts of about 64 tokens, 5 new tokens; requests: 306 ok, 3 failed",
    "",
    "                              TTFT                 ITL                E2E         goodput  spread",
    "            tokens/s  req/s    p50    p90    p99   p50   p90   p99    p50    p99        %      ±%",
    "1 client        10.0   2.00   10.0   10.0   10.0  2.00  2.00  2.00   18.0   18.0    100.0    50.0",
    "64 clients     1,500  300.0  1,234  1,234  1,234  12.3  12.3  12.3  1,283  1,283     0.00    0.00",
    "",
    "Medians of the rounds, ms: to the first token (TTFT), between tokens (ITL), to the end (E2E).",
    "Goodput: TTFT within 500 ms and a mean ITL within 50 ms. Spread: of tokens/s over the rounds.",
    "64 clients: 3 × status 429: over [31mloaded ",
  ]);
});

Deno.test("what was not measured is said, and the processor's time has a column", () => {
  const round = { ...steadyRound(2), processorMicros: 123 };
  const interrupted = { ...reportOf({ 1: [round] }), interrupted: true };
  const drawn = drawTable(interrupted, PLAIN);
  assert.match(drawn, /µs\/token/);
  assert.match(drawn, / 12\.3 +0\.00\n/);
  assert.match(drawn, /\nInterrupted: this is what was measured until then\.$/);
  assert.match(drawTable(reportOf({}), PLAIN), /^Nothing was measured/);
});

Deno.test("only the heading is bold, and only with colour", () => {
  const report = reportOf({ 1: [steadyRound(2)] });
  assert.equal(drawTable(report, { colour: true }).split("\x1b[1m").length, 3);
  assert.ok(!drawTable(report, PLAIN).includes("\x1b"));
});

Deno.test("numbers keep three digits or all of their whole part", () => {
  const shown = [0, 0.004, 1.234, 9.99, 12.34, 99.96, 123.45, 999.9, 1234567, NaN, undefined];
  assert.deepEqual(
    shown.map(shortNumber),
    ["0.00", "0.00", "1.23", "10.0", "12.3", "100.0", "123.5", "1,000", "1,234,567", "-", "-"],
  );
});
