/** What a run showed: the content of `--json`, and how rounds become it. */

import { z } from "zod";
import { usageError } from "../options/flag.ts";
import {
  failuresOf,
  FIGURE_NAMES,
  FIGURES,
  type Goal,
  interToken,
  type MeasuredRound,
  tokensOf,
  ttft,
} from "./figures.ts";
import type { Load } from "./settings.ts";
import { percentiles, spread } from "./statistics.ts";

const Spread = z.object({ median: z.number(), min: z.number(), max: z.number() });

const Curve = z.array(z.object({ percent: z.number(), millis: z.number() }));

const Cell = z.object({
  load: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("closed"), clients: z.number() }),
    z.object({ kind: z.literal("open"), rate: z.number() }),
  ]),
  rounds: z.int(),
  ok: z.int(),
  failed: z.int(),
  /** Answers with fewer tokens than were asked for. */
  endedEarly: z.int(),
  tokens: z.int(),
  errors: z.record(z.string(), z.int()),
  /** Over the rounds; null where they say nothing of it. */
  figures: z.record(z.enum(FIGURE_NAMES), Spread.nullable()),
  /** Percentiles over all rounds together. */
  curves: z.object({ ttft: Curve, interToken: Curve }),
});

const BenchReport = z.object({
  format: z.literal("tgi-bench/1"),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
  /** Ended by a signal: the last cell may hold fewer rounds. */
  interrupted: z.boolean(),
  /** Program, system and cores of the client. */
  client: z.string(),
  configuration: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  cells: z.array(Cell),
});

/** What one load showed. */
export type Cell = z.output<typeof Cell>;

/** A percentile curve. */
export type Curve = z.output<typeof Curve>;

/** What a run showed. */
export type BenchReport = z.output<typeof BenchReport>;

/** Where the curves have points, percent: closer together where tails lie. */
const CURVE_PERCENTS = [
  0,
  5,
  10,
  20,
  30,
  40,
  50,
  60,
  70,
  80,
  85,
  90,
  93,
  95,
  97,
  98,
  99,
  99.5,
  100,
];

/** Puts the rounds of one load together. */
export function summarize(load: Load, rounds: readonly MeasuredRound[], goal: Goal): Cell {
  const over = (figure: (round: MeasuredRound) => number) =>
    rounds.reduce((sum, round) => sum + figure(round), 0);
  const figures = Object.fromEntries(
    FIGURE_NAMES.map((
      name,
    ) => [name, spread(rounds.map((round) => FIGURES[name].of(round, goal)))]),
  ) as Cell["figures"];
  return {
    load,
    rounds: rounds.length,
    ok: over(({ completed }) => completed.length),
    failed: over(failuresOf),
    endedEarly: over(({ completed }) => completed.filter(({ endedEarly }) => endedEarly).length),
    tokens: over(tokensOf),
    errors: sumErrors(rounds),
    figures,
    curves: { ttft: curve(rounds.flatMap(ttft)), interToken: curve(rounds.flatMap(interToken)) },
  };
}

/** `16 clients`, `2.5 requests/s`. */
export function loadName(load: Load): string {
  if (load.kind === "open") return `${load.rate} requests/s`;
  return load.clients === 1 ? "1 client" : `${load.clients} clients`;
}

/**
 * Reads what `--json` wrote.
 *
 * @param name of the file, for errors.
 * @throws StartError when it is something else.
 */
export function parseReport(text: string, name: string): BenchReport {
  const { data } = BenchReport.safeParse(parseJson(text));
  if (data !== undefined) return data;
  throw usageError(`Cannot compare ${name}: it is no report that tgi bench --json wrote.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sumErrors(rounds: readonly MeasuredRound[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { errors } of rounds) {
    for (const [kind, count] of errors) sums.set(kind, (sums.get(kind) ?? 0) + count);
  }
  return Object.fromEntries(sums);
}

function curve(sample: readonly number[]): Curve {
  if (sample.length === 0) return [];
  const values = percentiles(sample, CURVE_PERCENTS.map((percent) => percent / 100));
  return CURVE_PERCENTS.map((percent, at) => ({ percent, millis: values[at] ?? NaN }));
}
