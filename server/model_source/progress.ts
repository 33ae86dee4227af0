/** How far a download is: a bar on a terminal, a line now and then elsewhere. */

import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../log.ts";
import { barLine } from "../terminal/bar.ts";

const log = getLogger([LOG_CATEGORY, "model"]);

/** Receives the advance of one transfer. */
export interface Progress {
  /** So many bytes lay here before; they count as done, and nothing for the rate. */
  resume(done: number): void;
  /** `done` of `total` bytes have come, in all. */
  update(done: number, total: number): void;
  /** The transfer ended, well or not. */
  end(): void;
}

/** Where progress is written and what time it is, ms. */
export interface ProgressOutput {
  readonly terminal: boolean;
  /** Takes a piece of the bar on a terminal, else a line without its break. */
  write(text: string): void;
  now(): number;
  /** Columns of the terminal; those of this process's when absent. */
  readonly columns?: number;
}

/** Most often that a terminal's bar is redrawn, ms. */
const REDRAW_MILLIS = 100;

/** Plain lines come this far apart, in parts of the whole. */
const LINE_STEP = 0.25;

/** Longest that a transfer goes on without a plain line, ms. */
const LINE_MILLIS = 30_000;

/** For transfers that nobody waits for. */
export const UNSEEN: Progress = { resume: () => {}, update: () => {}, end: () => {} };

/** A bar on standard error where that is a terminal; else, or for a log of JSON, the log. */
export function progressOutput(
  { jsonOutput = false, quiet = false }: {
    readonly jsonOutput?: boolean;
    readonly quiet?: boolean;
  } = {},
): ProgressOutput {
  if (quiet) return { terminal: false, write: () => {}, now: () => performance.now() };
  const terminal = Deno.stderr.isTerminal() && !jsonOutput;
  const encoder = new TextEncoder();
  return {
    terminal,
    write: terminal
      ? (text) => void Deno.stderr.writeSync(encoder.encode(text))
      : (text) => log.info`${text}`,
    now: () => performance.now(),
  };
}

/** Follows one transfer under the given name. */
export function followTransfer(name: string, output: ProgressOutput): Progress {
  return follow(name, output, describeTransfer);
}

/** Follows things that are counted: `name 12 of 40`. */
export function followCount(name: string, output: ProgressOutput): Progress {
  return follow(name, output, (name, done, total) => `${name} ${done} of ${total}`);
}

function follow(
  name: string,
  output: ProgressOutput,
  describe: typeof describeTransfer,
): Progress {
  const started = output.now();
  let drawn = -Infinity;
  let nextLine = LINE_STEP;
  let lastLine = started;
  let before = 0;
  return {
    resume(done) {
      before = done;
    },
    update(done, total) {
      const now = output.now();
      const line = describe(name, done, total, now - started, before);
      if (output.terminal) {
        if (now - drawn < REDRAW_MILLIS && done < total) return;
        drawn = now;
        output.write(barLine(done / total, line, output.columns));
      } else if (done / total >= nextLine || now - lastLine >= LINE_MILLIS) {
        nextLine = (Math.floor(done / total / LINE_STEP) + 1) * LINE_STEP;
        lastLine = now;
        output.write(line);
      }
    },
    end() {
      if (output.terminal && drawn > -Infinity) output.write("\n");
    },
  };
}

/**
 * `name 12.0 of 98.4 MB, 24.0 MB/s, 4 s left`; `millis` is the time since the start, `before` the
 * bytes that lay here then.
 */
export function describeTransfer(
  name: string,
  done: number,
  total: number,
  millis: number,
  before = 0,
): string {
  const rate = (done - before) / Math.max(millis, 1) * 1000;
  const left = rate > 0 ? `, ${timeText((total - done) / rate)} left` : "";
  const sizes = total >= 1e10
    ? `${(done / 1e9).toFixed(1)} of ${(total / 1e9).toFixed(1)} GB`
    : `${megabytes(done)} of ${megabytes(total)} MB`;
  return `${name} ${sizes}, ${megabytes(Math.max(rate, 0))} MB/s${left}`;
}

function timeText(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
