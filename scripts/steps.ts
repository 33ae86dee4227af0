/** Runs commands one after another, shows what they print, and tells how long each took. */

import { fileURLToPath } from "node:url";

/** A program with its arguments. */
export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
  /** Further environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to say where the program is not there. */
  readonly missing?: string;
}

/** How a command ended. */
export interface Ended {
  readonly success: boolean;
  /** Its standard output; empty when that was not kept. */
  readonly output: string;
}

/** Folder of the project. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Where cargo builds, whatever the user's own settings say: the server looks there. */
export const TARGET = `${ROOT}core-rs/target`;

const ENCODER = new TextEncoder();

/** Writes a line on standard error, which is for people; standard output is for results. */
export function say(line: string): void {
  Deno.stderr.writeSync(ENCODER.encode(`${line}\n`));
}

/** Writes a line on standard output. */
export function print(line: string): void {
  Deno.stdout.writeSync(ENCODER.encode(`${line}\n`));
}

/** Cargo over the workspace of the core. */
export function cargo(...args: readonly string[]): CommandLine {
  const [verb = "", ...rest] = args;
  return {
    program: "cargo",
    args: [verb, "--manifest-path", `${ROOT}core-rs/Cargo.toml`, ...rest],
    env: { CARGO_TARGET_DIR: TARGET },
    missing: "cargo was not found: install Rust 1.95 or newer (https://rustup.rs) and try again.",
  };
}

/** This very Deno. */
export function deno(...args: readonly string[]): CommandLine {
  return { program: Deno.execPath(), args };
}

/**
 * Runs a command from the project's folder; what it prints is shown as it comes.
 *
 * @param keep also keep its standard output; `unseen` keeps it without showing it.
 */
export async function run(
  command: CommandLine,
  keep: boolean | "unseen" = false,
): Promise<Ended> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command.program, {
      args: [...command.args],
      cwd: ROOT,
      env: { DENO_NO_UPDATE_CHECK: "1", ...command.env },
      stdin: "null",
      stdout: keep === false ? "inherit" : "piped",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    say(command.missing ?? `${command.program} was not found.`);
    return { success: false, output: "" };
  }
  const output = keep === false ? "" : await keepOutput(child.stdout, keep !== "unseen");
  return { success: (await child.status).success, output };
}

/** Does the work under a name and tells how long it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  say(`== ${name}`);
  const started = performance.now();
  const result = await work();
  say(`== ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

async function keepOutput(stream: ReadableStream<Uint8Array>, isShown: boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    if (isShown) Deno.stdout.writeSync(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
