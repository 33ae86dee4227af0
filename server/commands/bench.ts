/** `tgi bench`: load a server, or compare two reports, and show what came out. */

import { drawComparison, type NamedReport } from "../bench/compare.ts";
import { comparisonPage, reportPage } from "../bench/html/page.ts";
import { measure } from "../bench/measure.ts";
import { type BenchProgress, drawProgress, UNSEEN } from "../bench/progress.ts";
import { listedPrompts, parsePromptLines, type Prompts, randomPrompts } from "../bench/prompts.ts";
import { type BenchReport, parseReport } from "../bench/report.ts";
import { type BenchSettings, readBenchSettings } from "../bench/settings.ts";
import { drawTable } from "../bench/table.ts";
import { StartError } from "../errors.ts";
import { usageError } from "../options/flag.ts";
import { ExitCode } from "./exit_code.ts";

/** Ended by SIGINT, as shells count it. */
const INTERRUPTED = 130;

/** What the command takes from its process. */
export interface BenchContext {
  readonly variables: (name: string) => string | undefined;
  /** Standard output: the results. */
  print(text: string): void;
  /** Standard error: progress and failures. */
  say(text: string): void;
  /** Are they terminals? */
  readonly terminal: { readonly output: boolean; readonly error: boolean };
  /** Ends the run early. */
  readonly signal: AbortSignal;
}

/**
 * Runs the command in this process.
 *
 * @returns the exit code: 0 when every request went well, 130 when it was interrupted.
 */
export async function runBench(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const stop = () => {
    // The next one ends the process at once.
    Deno.removeSignalListener("SIGINT", stop);
    interrupt.abort();
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await bench(args, processContext(interrupt.signal));
  } finally {
    if (!interrupt.signal.aborted) Deno.removeSignalListener("SIGINT", stop);
  }
}

/** The same with everything given. */
export async function bench(args: readonly string[], context: BenchContext): Promise<number> {
  try {
    const settings = readBenchSettings(args, context.variables);
    if ("text" in settings) {
      context.print(settings.text);
      return ExitCode.ok;
    }
    return settings.compare === null
      ? await runLoads(settings, context)
      : await runComparison(settings, settings.compare, context);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    context.say(`${error.message}\n`);
    return error.exitCode;
  }
}

async function runLoads(settings: BenchSettings, context: BenchContext): Promise<number> {
  const { values } = settings;
  const prompts = await readPrompts(settings);
  const progress = chooseProgress(settings, context);
  const report = await measure(settings, { prompts, progress, signal: context.signal });
  if (values.json === "-") context.print(`${JSON.stringify(report)}\n`);
  else context.print(`${drawTable(report, { colour: mayColour(context) })}\n`);
  if (values.json !== null && values.json !== "-") {
    await writeFile("--json", values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.html !== null) await writeFile("--html", values.html, await reportPage(report));
  return exitCode(report);
}

async function runComparison(
  { values }: BenchSettings,
  [baseFile, otherFile]: readonly [string, string],
  context: BenchContext,
): Promise<number> {
  const base = await readReport(baseFile);
  const other = await readReport(otherFile);
  context.print(`${drawComparison(base, other, { colour: mayColour(context) })}\n`);
  if (values.html !== null) {
    await writeFile(
      "--html",
      values.html,
      await comparisonPage(base, other),
    );
  }
  return ExitCode.ok;
}

function exitCode({ interrupted, cells }: BenchReport): number {
  if (interrupted) return INTERRUPTED;
  return cells.every(({ failed }) => failed === 0) ? ExitCode.ok : ExitCode.failure;
}

async function readPrompts({ values }: BenchSettings): Promise<Prompts> {
  const { promptFile, promptTokens, sharedPrefixTokens } = values;
  if (promptFile === null) return randomPrompts(promptTokens, sharedPrefixTokens);
  const content = await readFile("--prompt-file", promptFile);
  return listedPrompts(parsePromptLines(content, promptFile), sharedPrefixTokens);
}

async function readReport(path: string): Promise<NamedReport> {
  return { name: path, report: parseReport(await readFile("--compare", path), path) };
}

async function readFile(flag: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw usageError(`${flag}: cannot read ${path}: ${reason(error)}`);
  }
}

async function writeFile(flag: string, path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (error) {
    throw new StartError(`${flag}: cannot write ${path}: ${reason(error)}`, ExitCode.failure);
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file or folder; check the path.";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not; choose another.";
  return `${error instanceof Error ? error.message : error}; choose another path.`;
}

function chooseProgress({ values }: BenchSettings, context: BenchContext): BenchProgress {
  if (values.quiet || !context.terminal.error) return UNSEEN;
  return drawProgress((text) => context.say(text), () => performance.now());
}

/** https://no-color.org: any value that is not empty. */
function mayColour({ terminal, variables }: BenchContext): boolean {
  return terminal.output && !variables("NO_COLOR");
}

function processContext(signal: AbortSignal): BenchContext {
  const encoder = new TextEncoder();
  return {
    variables: (name) => Deno.env.get(name),
    print: (text) => writeAll(Deno.stdout, encoder.encode(text)),
    say: (text) => writeAll(Deno.stderr, encoder.encode(text)),
    terminal: { output: Deno.stdout.isTerminal(), error: Deno.stderr.isTerminal() },
    signal,
  };
}

/** A pipe takes what it has room for; one that nobody reads any more takes nothing. */
function writeAll(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
