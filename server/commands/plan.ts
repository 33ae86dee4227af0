/** `tgi plan`: what memory a model takes and what fits, without loading it. */

import { getLogger } from "@logtape/logtape";
import { PAGE_TOKENS } from "../../ffi/page.ts";
import { surveyConfig } from "../../ffi/survey.ts";
import type { Survey } from "../../ffi/types.ts";
import { LOG_CATEGORY } from "../log.ts";
import type { Settings } from "../options.ts";
import { awaitStop } from "../shutdown.ts";
import { bytesText } from "../terminal/bytes.ts";
import { type Style, styleOf } from "../terminal/style.ts";
import { TextOutput } from "../terminal/text_output.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { findAdapters, findModel, openCore, withExitCode } from "./open_model.ts";
import { engineConfig } from "./parts.ts";

const log = getLogger([LOG_CATEGORY]);

/** What the memory of this machine would hold. */
export interface Fit {
  /** KV tokens, were the cache given all memory that is left. */
  readonly tokens: number;
  /** Longest sequence. */
  readonly longest: number;
  /** Streams of the planned length in the planned cache. */
  readonly streams: number;
  /** Streams of the planned length, were the cache given all memory that is left. */
  readonly mostStreams: number;
}

/** Plans, and says so. @returns 0 when it fits, 3 when not. */
export async function plan(settings: Settings, context: CommandContext): Promise<number> {
  const { values, warnings } = settings;
  for (const warning of warnings) log.warn`${warning}`;
  using stop = awaitStop();
  const model = await findModel(values, context, stop.signal);
  const adapters = await findAdapters(values, context, stop.signal);
  if (stop.signal.aborted) return ExitCode.interrupted;
  const library = await openCore(values);
  using _library = { [Symbol.dispose]: () => library.close() };
  const config = engineConfig(values, model, adapters);
  const survey = await withExitCode(ExitCode.model, () => surveyConfig(library, config));
  const output = new TextOutput();
  const fit = fitOf(survey);
  const name = model === null ? "scripted" : values.modelId;
  if (values.json) output.write(`${JSON.stringify({ model: name, ...survey, fit })}\n`);
  else output.write(report(name, survey, fit, styleOf(Deno.stdout)));
  return survey.problem === null ? ExitCode.ok : ExitCode.model;
}

/** What fits, by the plan's own numbers. */
export function fitOf({ plan, context, maxTotalTokens, maxBatchTotalTokens }: Survey): Fit {
  const room = Math.max(0, plan.availableBytes - plan.weightsBytes - plan.arenaBytes);
  // The cache holds whole pages.
  const tokens = Math.floor(room / plan.kvBytesPerToken / PAGE_TOKENS) * PAGE_TOKENS;
  return {
    tokens,
    longest: Math.min(context, tokens),
    streams: Math.floor(maxBatchTotalTokens / maxTotalTokens),
    mostStreams: Math.floor(tokens / maxTotalTokens),
  };
}

/** The plan for people. */
export function report(name: string, survey: Survey, fit: Fit, style: Style): string {
  const { plan, maxTotalTokens, maxBatchTotalTokens } = survey;
  const needed = plan.weightsBytes + plan.kvBytes + plan.arenaBytes;
  const cache = `${maxBatchTotalTokens} tokens of ${plan.kvBytesPerToken} bytes`;
  const rows = [
    ["Weights", bytesText(plan.weightsBytes), `as ${survey.dtype}`],
    ["KV cache", bytesText(plan.kvBytes), cache],
    ["Working space", bytesText(plan.arenaBytes), `${survey.maxBatchSize} requests in a step`],
    ["Needed", bytesText(needed), ""],
    ["Available", bytesText(plan.availableBytes), ""],
  ];
  const verdict = survey.problem === null
    ? style.green("It fits.")
    : `${style.red("It does not fit.")} ${survey.problem}.`;
  return `${style.bold(name)}: ${survey.architecture}, context ${survey.context} tokens
Backend ${survey.backend} (${survey.isa})

${rows.map((row) => rowText(row)).join("\n")}

${verdict}
Longest sequence: ${maxTotalTokens} tokens; ${fit.longest} would fit (--max-total-tokens).
Streams of that length: ${fit.streams} at a time; ${fit.mostStreams} would fit \
(--max-batch-total-tokens).
`;
}

function rowText([name = "", size = "", note = ""]: readonly string[]): string {
  return `  ${name.padEnd(14)}${size.padStart(10)}  ${note}`.trimEnd();
}
