/** Runs a command without showing what it prints. */

import { type CommandLine, ROOT } from "../steps.ts";

/** How it ended. */
export interface QuietEnd {
  readonly success: boolean;
  readonly stdout: string;
  /** Its last words that are not empty, for an error's sentence. */
  readonly lastWords: string;
}

/** Runs a command from the project's folder, or from `cwd`, to its end. */
export async function runQuietly(command: CommandLine, cwd: string = ROOT): Promise<QuietEnd> {
  const { program, args, env = {}, missing } = command;
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const ended = await child.output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return null;
  });
  if (ended === null) {
    return { success: false, stdout: "", lastWords: missing ?? `${program} was not found` };
  }
  const [stdout, stderr] = [ended.stdout, ended.stderr].map((text) =>
    new TextDecoder().decode(text)
  );
  const lines = (stderr || stdout || "").split("\n").map((line) => line.trim()).filter(Boolean);
  return {
    success: ended.success,
    stdout: stdout ?? "",
    lastWords: lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? "no word",
  };
}
