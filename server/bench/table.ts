/** A run as people read it on the terminal. */

import { drawColumns, shortNumber, type TableStyle } from "./columns.ts";
import type { FigureName } from "./figures.ts";
import { type BenchReport, type Cell, loadName } from "./report.ts";
import type { Spread } from "./statistics.ts";

/** Columns: two lines of heading, and the figure. */
const COLUMNS: readonly (readonly [string, string, FigureName])[] = [
  ["", "tokens/s", "tokensPerSecond"],
  ["", "req/s", "requestsPerSecond"],
  ["TTFT", "p50", "ttftP50"],
  ["", "p90", "ttftP90"],
  ["", "p99", "ttftP99"],
  ["ITL", "p50", "interTokenP50"],
  ["", "p90", "interTokenP90"],
  ["", "p99", "interTokenP99"],
  ["E2E", "p50", "endToEndP50"],
  ["", "p99", "endToEndP99"],
  ["goodput", "%", "goodput"],
];

const MICROS: readonly [string, string, FigureName] = ["CPU", "µs/token", "microsPerToken"];

/** The table with what is to be said about it. */
export function drawTable(report: BenchReport, style: TableStyle): string {
  const { cells, configuration } = report;
  if (cells.length === 0) return "Nothing was measured: the run ended before an answer did.";
  const timed = cells.some(({ figures }) => figures.microsPerToken !== null);
  const columns = timed ? [...COLUMNS, MICROS] : COLUMNS;
  const header = [
    ["", ...columns.map(([top]) => top), "spread"],
    ["", ...columns.map(([, bottom]) => bottom), "±%"],
  ];
  const rows = cells.map((cell) => [
    loadName(cell.load),
    ...columns.map(([, , name]) => shortNumber(cell.figures[name]?.median)),
    shortNumber(spreadPercent(cell.figures.tokensPerSecond)),
  ]);
  return [
    title(report),
    "",
    ...drawColumns(header, rows, style),
    "",
    "Medians of the rounds, ms: to the first token (TTFT), between tokens (ITL), to the end (E2E).",
    `Goodput: TTFT within ${configuration.sloTtft} ms and a mean ITL within ` +
    `${configuration.sloItl} ms. Spread: of tokens/s over the rounds.`,
    ...cells.flatMap(remarks),
    ...(report.interrupted ? ["Interrupted: this is what was measured until then."] : []),
  ].join("\n");
}

/** Half of the way between the least and the most, in percent of the median. */
function spreadPercent(spread: Spread | null): number {
  return spread === null ? NaN : (spread.max - spread.min) / 2 / spread.median * 100;
}

function title({ configuration, cells }: BenchReport): string {
  const { url, api, promptTokens, promptFile, sharedPrefixTokens, maxNewTokens } = configuration;
  const prompts = promptFile === undefined
    ? `prompts of about ${promptTokens} tokens`
    : `prompts of ${promptFile}`;
  const prefix = sharedPrefixTokens === 0 ? "" : ` after ${sharedPrefixTokens} shared ones`;
  const ok = cells.reduce((sum, cell) => sum + cell.ok, 0);
  const failed = cells.reduce((sum, cell) => sum + cell.failed, 0);
  return `${url} (${api}): ${prompts}${prefix}, ${maxNewTokens} new tokens; ` +
    `requests: ${ok} ok, ${failed} failed`;
}

/** What went wrong, and what makes the figures mean something else. */
export function remarks({ load, errors, endedEarly }: Cell): string[] {
  const failures = Object.entries(errors).map(([kind, count]) =>
    `${loadName(load)}: ${count} × ${printable(kind)}`
  );
  if (endedEarly === 0) return failures;
  const early = `${loadName(load)}: ${endedEarly} answers have fewer tokens than were asked for`;
  return [...failures, early];
}

/** A server's message without what a terminal would act on. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}
