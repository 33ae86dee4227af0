/** The real program between pipes. */

import { generous } from "../e2e/generous.ts";
import { type Ended, programWords, ROOT } from "../e2e/server.ts";
import { baseEnvironment } from "./environment.ts";

/** What goes in, and where the text goes. */
export interface PipeOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; closed at once when absent. */
  readonly stdin?: string;
  /** Shell words around the program, `"$@"` for the program itself. */
  readonly shell?: string;
}

/** Runs the program to its end. */
export async function runInPipe(
  args: readonly string[],
  { env = {}, stdin = "", shell }: PipeOptions = {},
): Promise<Ended> {
  const words = programWords(args);
  const all = shell === undefined ? words : ["bash", "-c", shell, "bash", ...words];
  const child = spawn(all, env);
  const feeding = feed(child, stdin);
  const { code, stdout, stderr } = await generous(child.output(), "the program's end");
  await feeding;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts the program; standard input is open. */
export function startInPipe(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return spawn(programWords(args), env);
}

function spawn([program = "", ...args]: readonly string[], env: Readonly<Record<string, string>>) {
  return new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    env: { ...baseEnvironment(), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** A program that reads nothing may be gone before it is fed. */
async function feed(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}
