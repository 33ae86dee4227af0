/** The charts of a report: throughput against latency, and percentile curves. */

import { shortNumber } from "../columns.ts";
import type { NamedReport } from "../compare.ts";
import { type FigureName, FIGURES } from "../figures.ts";
import { type Cell, type Curve, loadName } from "../report.ts";
import { lineChart, type Markup, type Point, type Series } from "./line_chart.ts";
import { latencyScale, linearScale, percentScale } from "./scale.ts";

/** Percentiles that throughput is drawn against. */
const KINDS = [
  { title: "Throughput against time to first token", names: ["ttftP50", "ttftP99"] },
  { title: "Throughput against inter-token latency", names: ["interTokenP50", "interTokenP99"] },
] as const;

/** Curves that are drawn. */
const CURVES = [
  { title: "Time to first token", key: "ttft" },
  { title: "Inter-token latency", key: "interToken" },
] as const;

/** Both latencies over tokens/s; a point is a load. Two runs differ in colour. */
export function throughputCharts(runs: readonly NamedReport[]): Markup[] {
  return KINDS.map(({ title, names }) => {
    const series = runs.flatMap(({ name, report }, run) =>
      names.map((figure, index): Series => ({
        name: runs.length > 1 ? `${name}: ${lastWord(figure)}` : lastWord(figure),
        points: report.cells.flatMap((cell) => loadPoint(cell, figure, index === names.length - 1)),
        colour: runs.length > 1 ? run : index,
        dashed: index > 0,
      }))
    );
    const points = series.flatMap((each) => each.points);
    return lineChart({
      title,
      xLabel: "tokens/s",
      yLabel: "ms",
      x: linearScale(points.map(({ x }) => x)),
      y: latencyScale(points.map(({ y }) => y)),
      series,
      dots: true,
    });
  });
}

/** Percentile curves of one run, a line for each load. */
export function percentileCharts(cells: readonly Cell[]): Markup[] {
  return CURVES.map(({ title, key }) =>
    percentileChart(
      title,
      cells.map(({ load, curves }) => ({ name: loadName(load), curve: curves[key] })),
    )
  );
}

/** Percentile curves of two runs, a chart for each load that both have. */
export function comparedPercentiles(base: NamedReport, other: NamedReport): Markup[] {
  return base.report.cells.flatMap((cell) => {
    const name = loadName(cell.load);
    const match = other.report.cells.find(({ load }) => loadName(load) === name);
    if (match === undefined) return [];
    return CURVES.map(({ title, key }) =>
      percentileChart(`${title}, ${name}`, [
        { name: base.name, curve: cell.curves[key] },
        { name: other.name, curve: match.curves[key] },
      ])
    );
  });
}

function percentileChart(
  title: string,
  lines: readonly { readonly name: string; readonly curve: Curve }[],
): Markup {
  return lineChart({
    title,
    xLabel: "percentile",
    yLabel: "ms",
    x: percentScale(),
    y: latencyScale(lines.flatMap(({ curve }) => curve.map(({ millis }) => millis))),
    series: lines.map(({ name, curve }, colour) => ({
      name,
      colour,
      points: curve.map(({ percent, millis }) => ({
        x: percent,
        y: millis,
        title: `${name}, p${percent}: ${shortNumber(millis)} ms`,
      })),
    })),
    dots: false,
  });
}

function loadPoint({ load, figures }: Cell, figure: FigureName, labelled: boolean): Point[] {
  const [speed, latency] = [figures.tokensPerSecond, figures[figure]];
  if (speed === null || latency === null) return [];
  const title = `${loadName(load)}: ${shortNumber(speed.median)} tokens/s, ` +
    `${FIGURES[figure].label} ${shortNumber(latency.median)} ms`;
  const label = load.kind === "closed" ? String(load.clients) : `${load.rate}/s`;
  return [{ x: speed.median, y: latency.median, title, ...(labelled ? { label } : {}) }];
}

/** `p50` of `TTFT p50`. */
function lastWord(figure: FigureName): string {
  return FIGURES[figure].label.split(" ").at(-1) ?? "";
}
