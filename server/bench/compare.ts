/** Two runs side by side. */

import { drawColumns, shortNumber, type TableStyle } from "./columns.ts";
import { FIGURE_NAMES, type FigureName, FIGURES } from "./figures.ts";
import { type BenchReport, type Cell, loadName } from "./report.ts";
import type { Spread } from "./statistics.ts";

/** A run with the name under which it is shown. */
export interface NamedReport {
  readonly name: string;
  readonly report: BenchReport;
}

/** `better` and `worse` only where the rounds of the two runs do not overlap. */
export type Verdict = "better" | "worse" | "same";

/** One figure of a load that both runs have. */
export interface Comparison {
  readonly load: string;
  readonly figure: FigureName;
  readonly base: Spread;
  readonly other: Spread;
  /** The other's median over the base's. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

/** Every figure that both runs have, load by load. */
export function compareReports(base: BenchReport, other: BenchReport): Comparison[] {
  return pairs(base, other).flatMap(([first, second]) =>
    FIGURE_NAMES.flatMap((figure) => {
      const [a, b] = [first.figures[figure], second.figures[figure]];
      if (a === null || b === null) return [];
      return [{
        load: loadName(first.load),
        figure,
        base: a,
        other: b,
        ratio: b.median / a.median,
        verdict: judge(figure, a, b),
      }];
    })
  );
}

/** Settings in which the two runs differ, and loads that only one has. */
export function differences(base: BenchReport, other: BenchReport): string[] {
  const [a, b] = [base.configuration, other.configuration];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const settings = keys.filter((key) => a[key] !== b[key])
    .map((key) => `${key}: ${a[key] ?? "none"} and ${b[key] ?? "none"}`);
  const shared = new Set(pairs(base, other).map(([{ load }]) => loadName(load)));
  const single = [...base.cells, ...other.cells].map(({ load }) => loadName(load))
    .filter((name) => !shared.has(name));
  return [...settings, ...single.map((name) => `only one run has ${name}`)];
}

/** The comparison as people read it on the terminal. */
export function drawComparison(base: NamedReport, other: NamedReport, style: TableStyle): string {
  const comparisons = compareReports(base.report, other.report);
  const rows = comparisons.map(({ load, figure, ...found }, index) => [
    comparisons[index - 1]?.load === load ? "" : load,
    `${FIGURES[figure].label}${FIGURES[figure].unit && `, ${FIGURES[figure].unit}`}`,
    shortNumber(found.base.median),
    shortNumber(found.other.median),
    ratioText(found.ratio),
    found.verdict === "same" ? "~" : found.verdict,
  ]);
  const names = [`base:  ${base.name}`, `other: ${other.name}`];
  const remarks = differences(base.report, other.report).map((line) => `differs: ${line}`);
  if (rows.length === 0) {
    return [...names, ...remarks, "The two runs have no load in common."].join("\n");
  }
  return [
    ...names,
    "",
    ...drawColumns([["", "", "base", "other", "ratio", ""]], rows, style, 2),
    "",
    "Medians; ratio: other over base; ~: the rounds of the two runs overlap.",
    ...remarks,
  ].join("\n");
}

/** `1.25x`; `-` where the base is zero. */
export function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? `${shortNumber(ratio)}x` : "-";
}

function pairs(base: BenchReport, other: BenchReport): [Cell, Cell][] {
  return base.cells.flatMap((cell): [Cell, Cell][] => {
    const match = other.cells.find(({ load }) => loadName(load) === loadName(cell.load));
    return match === undefined ? [] : [[cell, match]];
  });
}

function judge(figure: FigureName, base: Spread, other: Spread): Verdict {
  const higher = other.min > base.max;
  const lower = other.max < base.min;
  if (!higher && !lower) return "same";
  return higher === (FIGURES[figure].better === "higher") ? "better" : "worse";
}
