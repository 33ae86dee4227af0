/** Reads the flags of `tgi bench` (through commander) and their variables. */

import { Command, CommanderError, Option } from "commander";
import { defaultText, parseFlag, type Printout, sentence, typed } from "../options/command_line.ts";
import { type Flag, GROUPS, kebab, usageError } from "../options/flag.ts";
import { BENCH_FLAGS, type BenchFlagName, type BenchValues } from "./flags.ts";

/** Values of all flags, and what stood beside them. */
export interface BenchCommandLine {
  readonly values: BenchValues;
  /** Flags and variables that were given. */
  readonly given: ReadonlySet<BenchFlagName>;
  /** The two files of `--compare`; else empty. */
  readonly operands: readonly string[];
}

const ENTRIES = Object.entries(BENCH_FLAGS) as readonly [BenchFlagName, Flag<unknown>][];

/** The flag `url` as a variable: `TGI_BENCH_URL`, since names such as URL are taken by others. */
export function benchVariable(name: string): string {
  return `TGI_BENCH_${kebab(name).replaceAll("-", "_").toUpperCase()}`;
}

const EXAMPLES = `
Examples:
  tgi bench --clients 1,16,64 --html report.html
  tgi bench --rate 2,4,8 --duration 30 --slo-ttft 300 --json ours.json
  tgi bench --api llamacpp --url http://127.0.0.1:8080 --json peer.json
  tgi bench --compare peer.json ours.json

Variables: --max-new-tokens is TGI_BENCH_MAX_NEW_TOKENS, and so on.
Exit codes: 0 all requests went well, 1 some failed, 2 a wrong flag or value, 130 interrupted.`;

/**
 * Reads the command line; a flag wins over its variable.
 *
 * @throws StartError with exit code 2 for a flag or value that is wrong.
 */
export function readBenchCommandLine(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): BenchCommandLine | Printout {
  const printed: string[] = [];
  const command = buildCommand((text) => printed.push(text));
  try {
    command.parse(withStandardOutput(args), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { text: printed.join("") };
    throw usageError(sentence(error.message));
  }
  return collect(command, variables);
}

/** `--json` without a value is `--json -`. */
function withStandardOutput(args: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    const next = args[index + 1];
    const bare = arg === "--json" && (next === undefined || next.startsWith("--"));
    return bare ? ["--json", "-"] : [arg];
  });
}

function buildCommand(print: (text: string) => void): Command {
  const command = new Command("tgi bench")
    .description("Loads a running server with streams and prints what its clients saw.")
    .usage("[flags]")
    .argument("[files...]", "Two files, with --compare.")
    .helpOption("-h, --help", "Print this help.")
    .exitOverride()
    .addHelpText("after", EXAMPLES)
    .configureOutput({ writeOut: print, writeErr: () => {}, getOutHelpWidth: () => 100 });
  for (const [name, flag] of ENTRIES) command.addOption(asOption(name, flag));
  return command;
}

function asOption(name: BenchFlagName, flag: Flag<unknown>): Option {
  const value = flag.placeholder === null ? "" : ` <${flag.placeholder}>`;
  const shown = defaultText(flag);
  const help = shown === "" ? flag.help : `${flag.help} (default: ${shown})`;
  const option = new Option(`--${kebab(name)}${value}`, help)
    .helpGroup(`${GROUPS[flag.group]}:`);
  if (flag.placeholder !== null) {
    option.argParser((given: string) => parseFlag(flag, given, typed(name, given)));
  }
  return option;
}

function collect(
  command: Command,
  variables: (name: string) => string | undefined,
): BenchCommandLine {
  const parsed = command.opts();
  const values: Record<string, unknown> = {};
  const given = new Set<BenchFlagName>();
  for (const [name, flag] of ENTRIES) {
    const twin = benchVariable(name);
    const fromVariable = flag.only === "flag" ? undefined : variables(twin);
    values[name] = flag.fallback;
    if (parsed[name] !== undefined) {
      values[name] = parsed[name];
      given.add(name);
    } else if (fromVariable !== undefined && fromVariable !== "") {
      values[name] = parseFlag(flag, fromVariable, `${twin}=${fromVariable}`);
      given.add(name);
    }
  }
  return { values: values as unknown as BenchValues, given, operands: command.args };
}
