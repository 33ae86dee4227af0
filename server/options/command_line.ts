/** Reads flags (through commander) and environment variables into values. */

import { Argument, Command, CommanderError, Option } from "commander";
import { EXIT_CODES_TEXT } from "../commands/exit_code.ts";
import { type CommandEntry, type CommandName, COMMANDS } from "./commands.ts";
import { type Flag, GROUPS, kebab, usageError, variable } from "./flag.ts";
import { type FlagName, FLAGS, type FlagValues } from "./table.ts";

/** Where a value came from; what is not in the map is a default. */
export type Given = ReadonlyMap<FlagName, string>;

/** Values of all flags, and under which name each was given. */
export interface CommandLine {
  readonly values: FlagValues;
  /** `--port` or `PORT` for each value that is not a default. */
  readonly given: Given;
  /** Words beside the flags. */
  readonly operands: readonly string[];
}

/** Text to print instead of working: `--help` or `--version`. */
export interface Printout {
  readonly text: string;
  /** Whether it is the version: what computes here is then told, too. */
  readonly isVersion?: true;
}

/** All flags with the table's types left out, for loops over them. */
export const ENTRIES = Object.entries(FLAGS) as readonly [FlagName, Flag<unknown>][];

/**
 * Reads the command line of `name`; a flag wins over its variable. Flags of other commands have
 * their defaults.
 *
 * @param version what `--version` prints.
 * @throws StartError with exit code 2 for a flag or value that is wrong.
 */
export function readCommandLine(
  name: CommandName,
  args: readonly string[],
  variables: (name: string) => string | undefined,
  version: string,
): CommandLine | Printout {
  const printed: string[] = [];
  const command = buildCommand(name, version, (text) => printed.push(text));
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const text = printed.join("");
    if (error.code === "commander.version") return { text, isVersion: true };
    if (error.exitCode === 0) return { text };
    throw usageError(sentence(error.message));
  }
  return collect(COMMANDS[name], command, variables);
}

function buildCommand(name: CommandName, version: string, print: (text: string) => void): Command {
  const { summary, operands, flags, examples } = COMMANDS[name];
  const command = new Command(`tgi ${name}`)
    .description(`${summary}.`)
    .usage(["[flags]", ...operands.map(({ word }) => word)].join(" "))
    .version(version, "-V, --version", "Print the version.")
    .helpOption("-h, --help", "Print this help.")
    .exitOverride()
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`)
    .addHelpText("after", EXIT_CODES_TEXT)
    .configureOutput({ writeOut: print, writeErr: () => {}, getOutHelpWidth: () => 100 });
  for (const { word, help, choices } of operands) {
    const argument = new Argument(word, help);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const flagName of flags) {
    const flag: Flag<unknown> = FLAGS[flagName];
    if (flag.only !== "variable") command.addOption(asOption(flagName, flag));
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
      const parsed = parseFlag(flag, given, typed(name, given));
      return flag.repeatable && Array.isArray(before) ? before.concat(parsed) : parsed;
    });
  }
  return option;
}

/** A flag with its value, as it may be typed. */
export function typed(name: string, value: string): string {
  return `--${kebab(name)} ${value || '""'}`;
}

function helpLine(name: FlagName, flag: Flag<unknown>): string {
  const shown = defaultText(flag);
  const notes = [
    shown && `default: ${shown}`,
    flag.only !== "flag" && `env: ${variable(name, flag)}`,
  ];
  return `${flag.help} (${notes.filter(Boolean).join(", ")})`.replace(" ()", "");
}

/** How the default of a flag reads; empty where there is nothing to say. */
export function defaultText(flag: Flag<unknown>): string {
  if (flag.shownDefault !== undefined) return flag.shownDefault;
  if (typeof flag.fallback === "boolean") return flag.fallback ? "true" : "";
  return flag.fallback === null ? "" : String(flag.fallback);
}

function collect(
  { flags }: CommandEntry,
  command: Command,
  variables: (name: string) => string | undefined,
): CommandLine {
  const parsed = command.opts();
  const given = new Map<FlagName, string>();
  const values: Record<string, unknown> = {};
  for (const [name, flag] of ENTRIES) values[name] = flag.fallback;
  for (const name of flags) {
    const flag: Flag<unknown> = FLAGS[name];
    const fromVariable = flag.only === "flag" ? undefined : variables(variable(name, flag));
    if (parsed[name] !== undefined) {
      values[name] = parsed[name];
      given.set(name, `--${kebab(name)}`);
    } else if (fromVariable !== undefined && (fromVariable !== "" || flag.placeholder === null)) {
      const source = variable(name, flag);
      values[name] = parseFlag(flag, fromVariable, `${source}=${fromVariable}`);
      given.set(name, source);
    }
  }
  return { values: values as unknown as FlagValues, given, operands: command.args };
}

/**
 * The value that `text` means.
 *
 * @param given flag and value as the user wrote them.
 * @throws StartError with exit code 2 when it means none.
 */
export function parseFlag(flag: Flag<unknown>, text: string, given: string): unknown {
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageError(`${given} cannot be used: it must be ${error.message}. See --help.`);
  }
}

/** Commander's message as one sentence: no "error:", no line break, and where to look. */
export function sentence(message: string): string {
  const flat = message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ").trim();
  const first = flat.charAt(0).toUpperCase() + flat.slice(1);
  return `${first}${/[.)?]$/.test(first) ? "" : "."} See --help.`;
}
