/** What shells complete, from the tables of commands and flags. */

import { COMMAND_NAMES, type CommandName, COMMANDS } from "../options/commands.ts";
import { type Flag, kebab } from "../options/flag.ts";
import { FLAGS } from "../options/table.ts";

/** A flag as a shell sees it. */
export interface CompletedFlag {
  /** Without dashes. */
  readonly long: string;
  readonly short: string | null;
  /** One sentence at most. */
  readonly help: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  /** The values that it may have; null for any. */
  readonly choices: readonly string[] | null;
  readonly completes: "file" | "folder" | null;
}

/** A command as a shell sees it. */
export interface CompletedCommand {
  readonly name: CommandName;
  readonly summary: string;
  /** Words that its first operand may be. */
  readonly operands: readonly string[];
  readonly flags: readonly CompletedFlag[];
}

/** The flags that every command has. */
const COMMON: readonly CompletedFlag[] = [
  plain("help", "h", "Print the help."),
  plain("version", "V", "Print the version."),
];

/** Every command with its flags. */
export function completedCommands(): CompletedCommand[] {
  return COMMAND_NAMES.map((name) => {
    const { summary, operands, flags } = COMMANDS[name];
    const own = flags.flatMap((flagName) => {
      const flag: Flag<unknown> = FLAGS[flagName];
      return flag.only === "variable" ? [] : [completed(kebab(flagName), flag)];
    });
    return { name, summary, operands: operands[0]?.choices ?? [], flags: [...own, ...COMMON] };
  });
}

/** Every flag once, whichever commands have it. */
export function completedFlags(commands: readonly CompletedCommand[]): CompletedFlag[] {
  return [...new Map(commands.flatMap(({ flags }) => flags).map((flag) => [flag.long, flag]))
    .values()];
}

function completed(long: string, flag: Flag<unknown>): CompletedFlag {
  return {
    long,
    short: flag.short ?? null,
    help: flag.help.split(/(?<=\.) /)[0] ?? flag.help,
    takesValue: flag.placeholder !== null,
    choices: flag.choices ?? null,
    completes: flag.completes ?? null,
  };
}

function plain(long: string, short: string, help: string): CompletedFlag {
  return { long, short, help, takesValue: false, choices: null, completes: null };
}

/** Text in single quotes, for a shell of the Bourne family. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
