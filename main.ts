/** The program: arguments in, exit code out. */

import process from "node:process";
import { getLogger } from "@logtape/logtape";
import { ExitCode } from "./server/commands/exit_code.ts";
import { runCommand } from "./server/commands/run.ts";
import { StartError, TgiError } from "./server/errors.ts";
import { LOG_CATEGORY, startLog } from "./server/log.ts";
import config from "./deno.json" with { type: "json" };

/** Tells what the program is called by, where it is run by `deno run`. */
const PROGRAM_VARIABLE = "TGI_PROGRAM";

/** Runs the program; every failure is one sentence on stderr. */
async function main(): Promise<number> {
  const log = getLogger([LOG_CATEGORY]);
  await startLog({ jsonOutput: false, logLevel: "info" });
  const variables = (name: string) => Deno.env.get(name);
  const program = variables(PROGRAM_VARIABLE) ?? process.argv0;
  try {
    return await runCommand(Deno.args, program, { version: config.version, variables });
  } catch (error) {
    log.error`${error}`;
    if (error instanceof StartError) return error.exitCode;
    if (error instanceof Error && !(error instanceof TgiError)) log.debug`${error.stack}`;
    return ExitCode.failure;
  }
}

if (import.meta.main) Deno.exit(await main());
