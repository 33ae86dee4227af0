/** Flags and environment made into what the parts of the server take. */

import { type CommandLine, type Printout, readCommandLine } from "./options/command_line.ts";
import { kebab, usageError } from "./options/flag.ts";
import { ENTRIES } from "./options/command_line.ts";
import type { CommandName } from "./options/commands.ts";
import { quantization } from "./options/quantize.ts";
import type { FlagName, FlagValues } from "./options/table.ts";

export type { FlagValues } from "./options/table.ts";

/** Checked settings of one command and what is to be said about them. */
export interface Settings {
  readonly values: FlagValues;
  /** One line each: flags that change nothing here, values that were replaced. */
  readonly warnings: readonly string[];
  /** Words beside the flags. */
  readonly operands: readonly string[];
  /** Whether the flag or its variable was given. */
  readonly isGiven: (name: FlagName) => boolean;
  /** `--port` or `PORT`, whichever gave the value; null when it is the default. */
  readonly givenBy: (name: FlagName) => string | null;
}

/**
 * Reads and checks all settings of a command.
 *
 * @throws StartError with exit code 2 for a wrong flag, value or combination.
 */
export function readSettings(
  args: readonly string[],
  variables: (name: string) => string | undefined,
  version: string,
  command: CommandName = "serve",
): Settings | Printout {
  const read = readCommandLine(command, args, variables, version);
  if ("text" in read) return read;
  const warnings = ignoredFlags(read);
  const values = finish(read, warnings);
  checkTogether(values);
  const { operands, given } = read;
  const givenBy = (name: FlagName) => given.get(name) ?? null;
  return { values, warnings, operands, isGiven: (name) => given.has(name), givenBy };
}

function ignoredFlags({ values, given }: CommandLine): string[] {
  const lines = ENTRIES.filter(([name, flag]) => flag.ignored && given.has(name))
    .map(([name, flag]) => `${given.get(name)} has no effect here: ${flag.help}`);
  const { note } = quantization(values.quantize);
  if (note !== undefined) lines.push(note);
  if (values.kvCacheDtype.startsWith("fp8")) {
    lines.push(
      `${given.get("kvCacheDtype")} ${values.kvCacheDtype} has no effect here: the CPU keeps the ` +
        "KV cache in f16; int8 is as small.",
    );
  }
  return lines;
}

/** Settles what needs more than one value; adds to the warnings. */
function finish({ values, given }: CommandLine, warnings: string[]): FlagValues {
  if (values.maxInputTokens !== null && values.maxInputLength !== null) {
    throw usageError(
      `Both \`max_input_tokens\` (${values.maxInputTokens}) and \`max_input_length\` ` +
        `(${values.maxInputLength}) are set: give only --max-input-tokens.`,
    );
  }
  return {
    ...values,
    ...placeOf({ values, given }),
    hostname: listenAddress({ values, given }, warnings),
    maxInputTokens: values.maxInputTokens ?? values.maxInputLength,
    prefixCaching: values.prefixCaching && !values.disablePrefixCaching,
  };
}

/** Asked for a GPU and no backend, it is cuda; asked for cuda and no device, it is the first GPU. */
function placeOf(
  { values, given }: Pick<CommandLine, "values" | "given">,
): Pick<FlagValues, "backend" | "device"> {
  const { backend, device } = values;
  if (backend === "candle") return { backend, device };
  if (device === "cpu") {
    if (backend !== "cuda") return { backend, device };
    if (!given.has("device")) return { backend, device: "cuda" };
    throw usageError(
      `${given.get("backend")} cuda computes on a GPU, not on ${given.get("device")} cpu: give ` +
        "--device cuda, or --backend cpu.",
    );
  }
  if (backend === "cuda" || !given.has("backend")) return { backend: "cuda", device };
  throw usageError(
    `${
      given.get("device")
    } ${device} needs --backend cuda or candle, not ${backend}: give one of ` +
      "these, or --device cpu.",
  );
}

/**
 * Shells and containers export HOSTNAME with the machine's own name. As TGI does, a name there
 * is passed over with a warning; only an address counts.
 */
function listenAddress(
  { values, given }: Pick<CommandLine, "values" | "given">,
  warnings: string[],
): string {
  const isAddress = /^[\d.]+$|:/.test(values.hostname);
  if (given.get("hostname") !== "HOSTNAME" || isAddress) return values.hostname;
  warnings.push(
    `HOSTNAME=${values.hostname} is no address and is passed over: listening on 127.0.0.1; ` +
      "--hostname 0.0.0.0 listens on every network.",
  );
  return "127.0.0.1";
}

/**
 * TGI's own checks of its arguments (`router/src/main.rs`, `server/text_generation_server/cli.py`),
 * where all values are known.
 */
function checkTogether(values: FlagValues): void {
  const { refusal } = quantization(values.quantize);
  if (refusal !== undefined) throw usageError(refusal);
  if (values.dtype !== "auto" && values.quantize !== "none") {
    throw usageError(
      "Only 1 can be set between `dtype` and `quantize`, as they both decide how goes the final " +
        `model. Given: ${values.dtype} and ${values.quantize}; leave one out.`,
    );
  }
  const { maxInputTokens, maxTotalTokens, maxBatchPrefillTokens, maxBatchTotalTokens } = values;
  atMost("maxInputTokens", maxInputTokens, "maxTotalTokens", maxTotalTokens, true);
  atMost(
    "maxBatchPrefillTokens",
    maxBatchPrefillTokens,
    "maxBatchTotalTokens",
    maxBatchTotalTokens,
  );
  atMost("maxTotalTokens", maxTotalTokens, "maxBatchTotalTokens", maxBatchTotalTokens);
}

function atMost(
  small: keyof FlagValues,
  smaller: number | null,
  large: keyof FlagValues,
  larger: number | null,
  strictly = false,
): void {
  if (smaller === null || larger === null) return;
  if (strictly ? smaller < larger : smaller <= larger) return;
  const names = [small, large].map((name) => `\`${kebab(name).replaceAll("-", "_")}\``);
  throw usageError(
    `${names[0]} must be ${strictly ? "<" : "<="} ${names[1]}. ` +
      `Given: ${smaller} and ${larger}; lower --${kebab(small)} or raise --${kebab(large)}.`,
  );
}
