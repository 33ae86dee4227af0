/** Which command a command line means. */

import { Command, CommanderError } from "commander";
import { sentence } from "../options/command_line.ts";
import { COMMAND_NAMES, type CommandName } from "../options/commands.ts";
import { usageError } from "../options/flag.ts";

/** Name of TGI's own program: all its arguments are those of `serve`. */
const LAUNCHER = "text-generation-launcher";

/** A command with its arguments, or the help of the whole program. */
export type Choice =
  | { readonly command: CommandName; readonly args: readonly string[] }
  | { readonly command: "help" };

/**
 * The first word is the command; without one it is `serve`.
 *
 * @param program what the program was called by, with or without its folder.
 * @throws StartError with exit code 2 for a word that is no command.
 */
export function chooseCommand(args: readonly string[], program: string): Choice {
  if (program.slice(program.lastIndexOf("/") + 1) === LAUNCHER) return { command: "serve", args };
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h") return { command: "help" };
  if (first === undefined || first.startsWith("-")) return { command: "serve", args };
  if (first === "help") {
    return rest[0] === undefined
      ? { command: "help" }
      : { command: commandNamed(rest[0]), args: ["--help"] };
  }
  return { command: commandNamed(first), args: rest };
}

function commandNamed(word: string): CommandName {
  return COMMAND_NAMES.find((name) => name === word) ?? unknown(word);
}

/** Commander knows what may have been meant. */
function unknown(word: string): never {
  const program = new Command("tgi").exitOverride().configureOutput({ writeErr: () => {} });
  for (const name of COMMAND_NAMES) program.command(name);
  try {
    program.parse([word], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageError(sentence(error.message));
  }
  throw usageError(`Unknown command '${word}'. See --help.`);
}
