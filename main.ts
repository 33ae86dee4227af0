/** The program: flags in, exit code out. */

import { getLogger } from "@logtape/logtape";
import { aboutText } from "./server/commands/about.ts";
import { ExitCode } from "./server/commands/exit_code.ts";
import { serve } from "./server/commands/serve.ts";
import { StartError } from "./server/errors.ts";
import { LOG_CATEGORY, startLog } from "./server/log.ts";
import { readSettings } from "./server/options.ts";
import config from "./deno.json" with { type: "json" };

const ENCODER = new TextEncoder();

/** Runs the program; every failure is one sentence on stderr. */
async function main(): Promise<number> {
  const log = getLogger([LOG_CATEGORY]);
  await startLog({ jsonOutput: false, logLevel: "info" });
  try {
    const variables = (name: string) => Deno.env.get(name);
    const settings = readSettings(Deno.args, variables, config.version);
    if ("text" in settings) {
      const about = settings.isVersion ? aboutText() : "";
      Deno.stdout.writeSync(ENCODER.encode(settings.text + about));
      return ExitCode.ok;
    }
    await startLog(settings.values);
    return await serve(settings, { version: config.version, variables });
  } catch (error) {
    log.error`${error}`;
    if (error instanceof StartError) return error.exitCode;
    if (error instanceof Error) log.debug`${error.stack}`;
    return ExitCode.failure;
  }
}

if (import.meta.main) Deno.exit(await main());
