/** Runs one command. What a command needs is loaded when it runs, so that every start is quick. */

import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY, startLog } from "../log.ts";
import { readSettings, type Settings } from "../options.ts";
import type { CommandName } from "../options/commands.ts";
import { OutputClosed, TextOutput } from "../terminal/text_output.ts";
import { chooseCommand } from "./choose.ts";
import type { Command, CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { helpText } from "./help.ts";

const log = getLogger([LOG_CATEGORY]);

const LOAD: Readonly<Record<CommandName, () => Promise<Command>>> = {
  serve: async () => (await import("./serve.ts")).serve,
  generate: async () => (await import("./generate.ts")).generate,
  chat: async () => (await import("./chat.ts")).chat,
  plan: async () => (await import("./plan.ts")).plan,
  doctor: async () => (await import("./doctor.ts")).doctor,
  models: async () => (await import("./models.ts")).models,
  completions: async () => (await import("./completions.ts")).completions,
};

/**
 * Runs the command line to its end and resolves with the exit code.
 *
 * @param program what the program was called by.
 * @throws TgiError when it fails.
 */
export async function runCommand(
  args: readonly string[],
  program: string,
  context: CommandContext,
): Promise<number> {
  try {
    // A word that is no command is told in plain words.
    await startLog({
      jsonOutput: false,
      logLevel: "info",
      plain: !(args[0]?.startsWith("-") ?? true),
    });
    const choice = chooseCommand(args, program);
    if (choice.command === "help") return print(helpText(context.version));
    await startLog({ jsonOutput: false, logLevel: "info", plain: choice.command !== "serve" });
    const settings = readSettings(choice.args, context.variables, context.version, choice.command);
    if ("text" in settings) return print(settings.text);
    await startLog(logOptions(settings, choice.command));
    if (choice.command === "serve") {
      // Before the rest is loaded: whoever starts a server sees at once that it does start.
      log.info`text-generation-inference server ${context.version}, Deno ${Deno.version.deno}`;
    }
    return await (await LOAD[choice.command]())(settings, context);
  } catch (error) {
    if (error instanceof OutputClosed) return ExitCode.ok;
    throw error;
  }
}

function logOptions({ values }: Settings, command: CommandName) {
  const { jsonOutput, logLevel, quiet } = values;
  return { jsonOutput, logLevel: quiet ? "warn" as const : logLevel, plain: command !== "serve" };
}

function print(text: string): number {
  new TextOutput().write(text);
  return ExitCode.ok;
}
