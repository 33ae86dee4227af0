/** Processor time of another process, for its cost of each token (Linux). */

import { StartError } from "../errors.ts";

/** Linux counts processor time in ticks of 10 ms. */
const MICROS_PER_TICK = 10_000;

/**
 * Processor time of process `pid` so far, user and system, µs (`proc_pid_stat(5)`).
 *
 * @throws StartError when it cannot be read.
 */
export function processorMicros(pid: number): number {
  const micros = parseStat(readStat(pid));
  if (Number.isFinite(micros)) return micros;
  throw new StartError(
    `Cannot read the processor time of process ${pid}: Linux shows no such process; check --pid.`,
  );
}

/** µs of user and system time in the text of `/proc/<pid>/stat`; NaN when it is none. */
export function parseStat(stat: string): number {
  // The name, in parentheses, may hold blanks; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

function readStat(pid: number): string {
  try {
    // Deno itself reads other processes' files only with every permission; `cat` needs one.
    const args = [`/proc/${pid}/stat`];
    const { stdout } = new Deno.Command("cat", { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) return "";
    throw new StartError("--pid needs Deno's permission to run cat: add --allow-run=cat.");
  }
}
