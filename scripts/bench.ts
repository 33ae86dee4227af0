/**
 * Loads a running server with streams and prints what its clients saw.
 *
 * Usage: deno task bench [--help]
 */

import { Command, InvalidArgumentError } from "commander";
import { type Load, type Round, runRound } from "./bench/load.ts";
import { median, percentile } from "./bench/statistics.ts";
import { print, say } from "./steps.ts";

/** Figures over all rounds: sums of requests, medians of the rest. */
export interface Summary {
  readonly ok: number;
  readonly failed: number;
  readonly tokensPerSecond: number;
  readonly ttftP50Millis: number;
  readonly ttftP99Millis: number;
  readonly interTokenP50Millis: number;
  readonly interTokenP99Millis: number;
}

/** Processor time of process `pid` so far, user and system, µs (`proc_pid_stat(5)`). */
function processMicros(pid: number): number {
  // Deno itself reads other processes' files only with every permission; `cat` needs one.
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/stat`] }).outputSync();
  const stat = new TextDecoder().decode(stdout);
  // The name, in parentheses, may hold blanks; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

/** Linux counts processor time in ticks of 10 ms. */
const MICROS_PER_TICK = 10_000;

/** Puts the rounds together. */
export function summarize(rounds: readonly Round[]): Summary {
  const over = (figure: (round: Round) => number) => median(rounds.map(figure));
  return {
    ok: rounds.reduce((sum, { ok }) => sum + ok, 0),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
    tokensPerSecond: over(({ tokens, millis }) => tokens / millis * 1000),
    ttftP50Millis: over(({ firstTokenMillis }) => percentile(firstTokenMillis, 0.5)),
    ttftP99Millis: over(({ firstTokenMillis }) => percentile(firstTokenMillis, 0.99)),
    interTokenP50Millis: over(({ betweenMillis }) => percentile(betweenMillis, 0.5)),
    interTokenP99Millis: over(({ betweenMillis }) => percentile(betweenMillis, 0.99)),
  };
}

function report(load: Load, rounds: number, summary: Summary): string {
  const pair = (p50: number, p99: number) => `p50 ${p50.toFixed(2)}  p99 ${p99.toFixed(2)}`;
  return [
    `${load.clients} clients, ${rounds} rounds of ${load.requests} requests each, prompts of about ` +
    `${load.promptWords} tokens, ${load.maxNewTokens} new tokens; medians of the rounds`,
    `tokens/s          ${summary.tokensPerSecond.toFixed(1)}`,
    `TTFT, ms          ${pair(summary.ttftP50Millis, summary.ttftP99Millis)}`,
    `inter-token, ms   ${pair(summary.interTokenP50Millis, summary.interTokenP99Millis)}`,
    `requests          ${summary.ok} ok, ${summary.failed} failed`,
  ].join("\n");
}

function parseArguments(args: readonly string[]) {
  return new Command("deno task bench")
    .description("Loads a running server with streams and prints what its clients saw.")
    .option("--url <url>", "address of the server", "http://127.0.0.1:3000")
    .option("--clients <n>", "streams at a time", positive, 16)
    .option("--requests <n>", "requests of each client in a round", positive, 4)
    .option("--prompt-tokens <n>", "words of the prompt: about as many tokens", positive, 64)
    .option("--max-new-tokens <n>", "tokens to generate", positive, 64)
    .option("--rounds <n>", "rounds that are counted, after one that is not", positive, 3)
    .option("--pid <n>", "also tell the processor time of this process for each token", positive)
    .option("--json", "print one JSON object")
    .parse([...args], { from: "user" })
    .opts<{
      url: string;
      clients: number;
      requests: number;
      promptTokens: number;
      maxNewTokens: number;
      rounds: number;
      pid?: number;
      json?: true;
    }>();
}

function positive(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 on.");
}

async function main(): Promise<number> {
  const { promptTokens, rounds, pid, json, ...rest } = parseArguments(Deno.args);
  const load: Load = { ...rest, promptWords: promptTokens };
  await runRound({ ...load, requests: 1 });
  const before = pid === undefined ? 0 : processMicros(pid);
  const measured: Round[] = [];
  while (measured.length < rounds) measured.push(await runRound(load));
  const summary = summarize(measured);
  if (summary.ok === 0) {
    say(`Cannot measure ${load.url}: no request went well; is the server running?`);
    return 1;
  }
  const tokens = measured.reduce((sum, round) => sum + round.tokens, 0);
  const microsPerToken = pid === undefined ? null : (processMicros(pid) - before) / tokens;
  print(
    json
      ? JSON.stringify({ ...load, rounds, ...summary, microsPerToken })
      : report(load, rounds, summary),
  );
  if (!json && microsPerToken !== null) {
    print(`process ${pid}     ${microsPerToken.toFixed(1)} µs of processor time a token`);
  }
  return summary.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
