/** Reads flags (through commander) and environment variables into values. */

import { Command, CommanderError, Option } from "commander";
import { EXIT_CODES_TEXT } from "../commands/exit_code.ts";
import { type Flag, GROUPS, kebab, usageError, variable } from "./flag.ts";
import { type FlagName, FLAGS, type FlagValues } from "./table.ts";

/** Where a value came from; what is not in the map is a default. */
export type Given = ReadonlyMap<FlagName, string>;

/** Values of all flags, and under which name each was given. */
export interface CommandLine {
  readonly values: FlagValues;
  /** `--port` or `PORT` for each value that is not a default. */
  readonly given: Given;
}

/** Text to print instead of serving: `--help` or `--version`. */
export interface Printout {
  readonly text: string;
  /** Whether it is the version: what computes here is then told, too. */
  readonly isVersion?: true;
}

/** All flags with the table's types left out, for loops over them. */
export const ENTRIES = Object.entries(FLAGS) as readonly [FlagName, Flag<unknown>][];

/**
 * Reads the command line; a flag wins over its variable.
 *
 * @param version what `--version` prints.
 * @throws StartError with exit code 2 for a flag or value that is wrong.
 */
export function readCommandLine(
  args: readonly string[],
  variables: (name: string) => string | undefined,
  version: string,
): CommandLine | Printout {
  const printed: string[] = [];
  const command = buildCommand(version, (text) => printed.push(text));
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const text = printed.join("");
    if (error.code === "commander.version") return { text, isVersion: true };
    if (error.exitCode === 0) return { text };
    throw usageError(sentence(error.message));
  }
  return collect(command, variables);
}

function buildCommand(version: string, print: (text: string) => void): Command {
  const command = new Command("tgi")
    .description("Serves a language model with the API of text-generation-inference (TGI).")
    .usage("[flags]")
    .version(version)
    .exitOverride()
    .addHelpText("after", EXIT_CODES_TEXT)
    .configureOutput({ writeOut: print, writeErr: () => {}, getOutHelpWidth: () => 100 });
  for (const [name, flag] of ENTRIES) {
    if (flag.only !== "variable") command.addOption(asOption(name, flag));
  }
  return command;
}

function asOption(name: FlagName, flag: Flag<unknown>): Option {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.placeholder === null ? "" : ` <${flag.placeholder}>`;
  const option = new Option(`${short}--${kebab(name)}${value}`, helpLine(name, flag))
    .helpGroup(`${GROUPS[flag.group]}:`);
  if (flag.placeholder !== null) {
    option.argParser((given: string, before: unknown) => {
      const parsed = parseFlag(flag, given, `--${kebab(name)} ${given}`);
      return flag.repeatable && Array.isArray(before) ? before.concat(parsed) : parsed;
    });
  }
  return option;
}

function helpLine(name: FlagName, flag: Flag<unknown>): string {
  const shown = defaultText(flag);
  const notes = [shown && `default: ${shown}`, flag.only !== "flag" && `env: ${variable(name)}`];
  return `${flag.help} (${notes.filter(Boolean).join(", ")})`.replace(" ()", "");
}

/** How the default of a flag reads; empty where there is nothing to say. */
export function defaultText(flag: Flag<unknown>): string {
  if (flag.shownDefault !== undefined) return flag.shownDefault;
  if (typeof flag.fallback === "boolean") return flag.fallback ? "true" : "";
  return flag.fallback === null ? "" : String(flag.fallback);
}

function collect(
  command: Command,
  variables: (name: string) => string | undefined,
): CommandLine {
  const parsed = command.opts();
  const given = new Map<FlagName, string>();
  const values: Record<string, unknown> = {};
  for (const [name, flag] of ENTRIES) {
    const fromVariable = flag.only === "flag" ? undefined : variables(variable(name));
    values[name] = flag.fallback;
    if (parsed[name] !== undefined) {
      values[name] = parsed[name];
      given.set(name, `--${kebab(name)}`);
    } else if (fromVariable !== undefined && (fromVariable !== "" || flag.placeholder === null)) {
      values[name] = parseFlag(flag, fromVariable, `${variable(name)}=${fromVariable}`);
      given.set(name, variable(name));
    }
  }
  return { values: values as unknown as FlagValues, given };
}

function parseFlag(flag: Flag<unknown>, text: string, given: string): unknown {
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageError(`${given} cannot be used: it must be ${error.message}. See --help.`);
  }
}

/** Commander's message as one sentence: no "error:", no line break, and where to look. */
function sentence(message: string): string {
  const flat = message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ").trim();
  const first = flat.charAt(0).toUpperCase() + flat.slice(1);
  return `${first}${/[.)?]$/.test(first) ? "" : "."} See --help.`;
}
