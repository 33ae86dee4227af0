/** The figures of a round, as one table: name, unit, how each is made, and which way is better. */

import type { Completed } from "./request.ts";
import type { Round } from "./round.ts";
import { percentile } from "./statistics.ts";

/** A round and what its server's processor did. */
export interface MeasuredRound extends Round {
  /** Processor time that the server took, µs; null when it is not known. */
  readonly processorMicros: number | null;
}

/** What a request must keep to count as served well. */
export interface Goal {
  /** Longest time to the first token, ms. */
  readonly ttftMillis: number;
  /** Longest mean time between a request's tokens, ms. */
  readonly interTokenMillis: number;
}

/** One figure. */
export interface Figure {
  readonly label: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** NaN where the round says nothing of it. */
  readonly of: (round: MeasuredRound, goal: Goal) => number;
}

/** Every figure by its name in the JSON. */
export const FIGURES = {
  tokensPerSecond: {
    label: "tokens/s",
    unit: "",
    better: "higher",
    of: (round) => tokensOf(round) / round.millis * 1000,
  },
  requestsPerSecond: {
    label: "requests/s",
    unit: "",
    better: "higher",
    of: ({ completed, millis }) => completed.length / millis * 1000,
  },
  ttftP50: latency("TTFT p50", 0.5, ttft),
  ttftP90: latency("TTFT p90", 0.9, ttft),
  ttftP99: latency("TTFT p99", 0.99, ttft),
  interTokenP50: latency("inter-token p50", 0.5, interToken),
  interTokenP90: latency("inter-token p90", 0.9, interToken),
  interTokenP99: latency("inter-token p99", 0.99, interToken),
  endToEndP50: latency("end-to-end p50", 0.5, endToEnd),
  endToEndP99: latency("end-to-end p99", 0.99, endToEnd),
  goodput: { label: "goodput", unit: "%", better: "higher", of: goodput },
  microsPerToken: {
    label: "processor time a token",
    unit: "µs",
    better: "lower",
    of: (round) => (round.processorMicros ?? NaN) / tokensOf(round),
  },
} as const satisfies Record<string, Figure>;

/** A figure's name. */
export type FigureName = keyof typeof FIGURES;

/** The names, in their order. */
export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[];

/** Tokens of the requests that went well. */
export function tokensOf({ completed }: Round): number {
  return completed.reduce((sum, { tokens }) => sum + tokens, 0);
}

/** Requests that failed, of all kinds. */
export function failuresOf({ errors }: Round): number {
  return errors.values().reduce((sum, count) => sum + count, 0);
}

/** Times to the first token, ms. */
export function ttft({ completed }: Round): number[] {
  return completed.map(({ firstTokenMillis }) => firstTokenMillis);
}

/** Times between tokens, ms. */
export function interToken({ completed }: Round): number[] {
  return completed.flatMap(({ betweenMillis }) => betweenMillis);
}

function endToEnd({ completed }: Round): number[] {
  return completed.map(({ endToEndMillis }) => endToEndMillis);
}

function latency(label: string, part: number, sample: (round: Round) => number[]): Figure {
  return {
    label,
    unit: "ms",
    better: "lower",
    of: (round) => percentile(sample(round), part),
  };
}

/** Share of all requests, also of those that failed, that kept the goal; percent. */
function goodput(round: Round, goal: Goal): number {
  const good = round.completed.filter((request) => keeps(request, goal)).length;
  return 100 * good / (round.completed.length + failuresOf(round));
}

function keeps({ firstTokenMillis, betweenMillis }: Completed, goal: Goal): boolean {
  const sum = betweenMillis.reduce((total, millis) => total + millis, 0);
  const mean = sum / Math.max(betweenMillis.length, 1);
  return firstTokenMillis <= goal.ttftMillis && mean <= goal.interTokenMillis;
}
