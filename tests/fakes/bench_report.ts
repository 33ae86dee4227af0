/** Reports with figures that are known. */

import type { MeasuredRound } from "../../server/bench/figures.ts";
import { type BenchReport, summarize } from "../../server/bench/report.ts";

/** A round of one second in which each of the requests took as long as the others. */
export function steadyRound(
  requests: number,
  { ttft = 10, interToken = 2, tokens = 5, errors = {} as Record<string, number> } = {},
): MeasuredRound {
  const betweenMillis = Array.from({ length: tokens - 1 }, () => interToken);
  return {
    completed: Array.from({ length: requests }, () => ({
      tokens,
      endedEarly: false,
      firstTokenMillis: ttft,
      betweenMillis,
      endToEndMillis: ttft + interToken * (tokens - 1),
    })),
    errors: new Map(Object.entries(errors)),
    millis: 1000,
    processorMicros: null,
  };
}

/** A report of closed loops, each with its rounds. */
export function reportOf(
  loads: Readonly<Record<number, readonly MeasuredRound[]>>,
  configuration: BenchReport["configuration"] = {},
): BenchReport {
  return {
    format: "tgi-bench/1",
    startedAt: "2026-01-02T03:04:05.000Z",
    interrupted: false,
    client: "Deno",
    configuration: {
      url: "http://127.0.0.1:1",
      api: "tgi",
      promptTokens: 64,
      sharedPrefixTokens: 0,
      maxNewTokens: 5,
      sloTtft: 500,
      sloItl: 50,
      ...configuration,
    },
    cells: Object.entries(loads).map(([clients, rounds]) =>
      summarize({ kind: "closed", clients: Number(clients) }, rounds, {
        ttftMillis: 500,
        interTokenMillis: 50,
      })
    ),
  };
}
