/** The run: each load after its warm-up, round by round. */

import { StartError } from "../errors.ts";
import { type Api, APIS } from "./api.ts";
import type { Goal, MeasuredRound } from "./figures.ts";
import { processorMicros } from "./processor_time.ts";
import type { BenchProgress } from "./progress.ts";
import type { Prompts } from "./prompts.ts";
import { type Random, seededRandom } from "./random.ts";
import { type BenchReport, type Cell, loadName, summarize } from "./report.ts";
import { runRequest } from "./request.ts";
import { type Round, runClosed, runOpen, type Sender } from "./round.ts";
import type { BenchSettings, Load } from "./settings.ts";

/** What a run takes beside its settings. */
export interface Surroundings {
  readonly prompts: Prompts;
  readonly progress: BenchProgress;
  /** Ends the run; what was measured until then is its result. */
  readonly signal: AbortSignal;
}

/**
 * Measures every load.
 *
 * @throws StartError when not one warm-up request of the first load went well.
 */
export async function measure(
  settings: BenchSettings,
  surroundings: Surroundings,
): Promise<BenchReport> {
  const startedAt = new Date().toISOString();
  const cells: Cell[] = [];
  try {
    for (const load of settings.loads) {
      if (surroundings.signal.aborted) break;
      const cell = await measureLoad(load, settings, surroundings, cells.length === 0);
      if (cell.ok + cell.failed > 0) cells.push(cell);
    }
  } finally {
    surroundings.progress.end();
  }
  return {
    format: "tgi-bench/1",
    startedAt,
    interrupted: surroundings.signal.aborted,
    client: `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}, ` +
      `${navigator.hardwareConcurrency} cores`,
    configuration: configuration(settings),
    cells,
  };
}

async function measureLoad(
  load: Load,
  settings: BenchSettings,
  surroundings: Surroundings,
  first: boolean,
): Promise<Cell> {
  const { values } = settings;
  const { progress, signal } = surroundings;
  const goal: Goal = { ttftMillis: values.sloTtft, interTokenMillis: values.sloItl };
  const sender = makeSender(settings, surroundings);
  progress.begin(`${loadName(load)}, warm-up`, load.kind === "closed" ? load.clients : 1);
  const warmUp = await runClosed(load.kind === "closed" ? load.clients : 1, 1, sender);
  if (warmUp.completed.length === 0 && !signal.aborted) {
    if (first) throw nothingWentWell(settings, warmUp);
    return summarize(load, [{ ...warmUp, processorMicros: null }], goal);
  }
  // Each load has the same arrivals in every run, whichever loads stand beside it.
  const random = seededRandom(values.seed);
  const rounds: MeasuredRound[] = [];
  while (rounds.length < values.rounds && !signal.aborted) {
    progress.begin(
      `${loadName(load)}, round ${rounds.length + 1} of ${values.rounds}`,
      expectedRequests(load, settings),
    );
    const round = await runRound(load, settings, random, sender);
    // A round that was cut short counts only where there is no whole one.
    if (!signal.aborted || rounds.length === 0) rounds.push(round);
  }
  return summarize(load, rounds, goal);
}

async function runRound(
  load: Load,
  { values }: BenchSettings,
  random: Random,
  sender: Sender,
): Promise<MeasuredRound> {
  const { pid, requests, duration, maxInFlight } = values;
  const before = pid === null ? 0 : processorMicros(pid);
  const round = load.kind === "closed"
    ? await runClosed(load.clients, requests, sender)
    : await runOpen(
      { rate: load.rate, durationMillis: duration * 1000, maxInFlight },
      random,
      sender,
    );
  return { ...round, processorMicros: pid === null ? null : readAfter(pid) - before };
}

/** NaN when the process has ended since. */
function readAfter(pid: number): number {
  try {
    return processorMicros(pid);
  } catch (error) {
    if (error instanceof StartError) return NaN;
    throw error;
  }
}

function makeSender({ values, url }: BenchSettings, surroundings: Surroundings): Sender {
  const { prompts, progress, signal } = surroundings;
  const api: Api = APIS[values.api];
  const address = new URL(url.pathname.replace(/\/$/, "") + api.path, url);
  const headers = {
    "content-type": "application/json",
    ...(values.apiKey === null ? {} : { authorization: `Bearer ${values.apiKey}` }),
  };
  return {
    signal,
    done: () => progress.done(),
    send(dueMillis) {
      const prompt = prompts();
      const maxNewTokens = prompt.maxNewTokens ?? values.maxNewTokens;
      const body = JSON.stringify(api.body({
        prompt: prompt.text,
        maxNewTokens,
        model: values.model,
        ignoreEos: !values.allowEos,
        reusePrefix: values.sharedPrefixTokens > 0,
      }));
      return runRequest({ api, url: address, headers, body, maxNewTokens, signal, dueMillis });
    },
  };
}

function expectedRequests(load: Load, { values }: BenchSettings): number {
  if (load.kind === "closed") return load.clients * values.requests;
  return Math.round(load.rate * values.duration);
}

function nothingWentWell({ values }: BenchSettings, { errors }: Round): StartError {
  const kinds = [...errors].map(([kind, count]) => `${count} × ${kind}`).join(", ");
  return new StartError(
    `Cannot measure ${values.url}: no warm-up request went well (${kinds}); is the server ` +
      `running, and does it speak --api ${values.api}?`,
  );
}

/** What was asked for, without secrets, and only what has a meaning for this kind of load. */
function configuration({ values, loads }: BenchSettings): BenchReport["configuration"] {
  const { url, api, model, promptTokens, promptFile, sharedPrefixTokens, maxNewTokens } = values;
  const { allowEos, rounds, requests, rate, duration, seed, maxInFlight, sloTtft, sloItl } = values;
  return {
    url,
    api,
    ...(api.startsWith("openai") ? { model } : {}),
    load: loads.map(loadName).join(", "),
    rounds,
    ...(rate === null ? { requests } : { duration, seed, maxInFlight }),
    ...(promptFile === null ? { promptTokens } : { promptFile }),
    sharedPrefixTokens,
    maxNewTokens,
    ignoreEos: !allowEos,
    sloTtft,
    sloItl,
  };
}
