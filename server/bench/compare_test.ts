import assert from "node:assert/strict";
import { reportOf, steadyRound } from "../../tests/fakes/bench_report.ts";
import { compareReports, differences, drawComparison, ratioText } from "./compare.ts";

const BASE = reportOf({
  1: [steadyRound(10), steadyRound(12)],
  16: [steadyRound(100, { ttft: 100 })],
}, { url: "http://peer" });

const OTHER = reportOf({
  1: [steadyRound(11), steadyRound(30)],
  16: [steadyRound(250, { ttft: 25 })],
  64: [steadyRound(1)],
}, { url: "http://ours" });

Deno.test("every figure that both runs have gets a ratio and a verdict", () => {
  const comparisons = compareReports(BASE, OTHER);
  const of = (load: string, figure: string) =>
    comparisons.find((each) => each.load === load && each.figure === figure);
  assert.equal(of("16 clients", "tokensPerSecond")?.ratio, 2.5);
  assert.equal(of("16 clients", "tokensPerSecond")?.verdict, "better");
  assert.equal(of("16 clients", "ttftP50")?.ratio, 0.25);
  assert.equal(of("16 clients", "ttftP50")?.verdict, "better");
  assert.equal(of("1 client", "tokensPerSecond")?.verdict, "same");
  assert.equal(of("16 clients", "microsPerToken"), undefined);
  assert.equal(of("64 clients", "tokensPerSecond"), undefined);
});

Deno.test("the other way round what was better is worse", () => {
  for (const [index, found] of compareReports(BASE, OTHER).entries()) {
    const back = compareReports(OTHER, BASE)[index];
    const opposite = { better: "worse", worse: "better", same: "same" } as const;
    assert.equal(back?.verdict, opposite[found.verdict]);
  }
});

Deno.test("settings that differ and loads without a pair are told", () => {
  assert.deepEqual(differences(BASE, OTHER), [
    "url: http://peer and http://ours",
    "only one run has 64 clients",
  ]);
  assert.deepEqual(differences(BASE, BASE), []);
});

Deno.test("the comparison is a table", () => {
  const base = { name: "peer.json", report: BASE };
  const other = { name: "ours.json", report: OTHER };
  const lines = drawComparison(base, other, { colour: false }).split("\n");
  assert.deepEqual(lines.slice(0, 5), [
    "base:  peer.json",
    "other: ours.json",
    "",
    "                                  base  other  ratio",
    "1 client    tokens/s              50.0   55.0  1.10x       ~",
  ]);
  assert.ok(lines.includes(
    "16 clients  tokens/s             500.0  1,250  2.50x  better",
  ));
  assert.equal(lines.at(-1), "differs: only one run has 64 clients");
});

Deno.test("runs without a load in common are said to be so", () => {
  const base = { name: "a", report: reportOf({ 1: [steadyRound(1)] }) };
  const other = { name: "b", report: reportOf({ 2: [steadyRound(1)] }) };
  const drawn = drawComparison(base, other, { colour: true });
  assert.match(drawn, /\nThe two runs have no load in common\.$/);
  assert.ok(!drawn.includes("\x1b"));
});

Deno.test("a ratio over zero is not shown", () => {
  assert.deepEqual([ratioText(1.5), ratioText(Infinity), ratioText(NaN)], ["1.50x", "-", "-"]);
});
