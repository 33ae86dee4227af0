/** What a flag is: one definition gives the parser, `--help`, the environment twin and the README. */

import type { Device } from "../../ffi/types.ts";
import { ExitCode } from "../commands/exit_code.ts";
import { StartError } from "../errors.ts";

/** Headings of `--help` and of the README, in their order. */
export const GROUPS = {
  model: "Model",
  address: "Address and HTTP",
  limits: "Limits",
  scheduling: "Scheduling",
  behaviour: "Behaviour and logs",
  sampling: "Sampling (generate, chat)",
  command: "Commands in the terminal",
  scripted: "Scripted backend (tests)",
  ignored: "TGI flags without effect here",
  benchServer: "Server that is measured",
  benchLoad: "Load",
  benchPrompts: "Prompts",
  benchReport: "Report",
} as const;

/** A heading. */
export type Group = keyof typeof GROUPS;

/** One flag; its name is the camelCase key under which the table holds it. */
export interface Flag<T> {
  readonly group: Group;
  /** Name of the value in `--help`; null for a switch. */
  readonly placeholder: string | null;
  /** The value when neither flag nor environment gives one. */
  readonly fallback: T;
  /** Makes the value; throws {@link RangeError} that says what is wanted ("a whole number …"). */
  readonly parse: (text: string) => T;
  /** One or two sentences: what it does here, with its unit. */
  readonly help: string;
  /** How the default reads where it is not the fallback itself. */
  readonly shownDefault?: string;
  /** One letter. */
  readonly short?: string;
  /** May be given more than once; `parse` then gives a list of one. */
  readonly repeatable?: true;
  /** The values that it may have, where they are few; shells complete them. */
  readonly choices?: readonly string[];
  /** What shells complete its value with. */
  readonly completes?: "file" | "folder";
  /** `variable` has no flag, `flag` has no variable. */
  readonly only?: "variable" | "flag";
  /** Accepted for TGI's sake: a warning says that it changes nothing, and why. */
  readonly ignored?: true;
}

/** What all kinds of flags say of themselves. */
type Words = Omit<Flag<unknown>, "placeholder" | "fallback" | "parse">;

/** A whole number in `[min, max]`, decimal digits only. */
function wholeNumber(text: string, min: number, max: number): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  const range = max === MOST ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new RangeError(`a whole number ${range}`);
}

/** Most that a count may be: what the core's u32 holds. */
const MOST = 2 ** 32 - 1;

/** A count with a default. */
export function count(
  words: Words & { readonly fallback: number; readonly min?: number; readonly max?: number },
): Flag<number> {
  const { min = 1, max = MOST, ...rest } = words;
  return { ...rest, placeholder: "N", parse: (text) => wholeNumber(text, min, max) };
}

/** A number in `[min, max]`. */
export function decimal(
  words: Words & { readonly fallback: number; readonly min: number; readonly max: number },
): Flag<number> {
  const { min, max, ...rest } = words;
  return {
    ...rest,
    placeholder: "NUMBER",
    parse: (text) => {
      const number = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
      if (number >= min && number <= max) return number;
      throw new RangeError(`a number from ${min} to ${max}`);
    },
  };
}

/** A count that is found at start when it is not given. */
export function optionalCount(
  words: Words & { readonly min?: number; readonly max?: number },
): Flag<number | null> {
  const { min = 1, max = MOST, ...rest } = words;
  return {
    ...rest,
    placeholder: "N",
    fallback: null,
    parse: (text) => wholeNumber(text, min, max),
  };
}

/** A number above `min` (or from it on, with `inclusive`), up to `max`; null when not given. */
export function optionalNumber(
  words: Words & { readonly min: number; readonly max?: number; readonly inclusive?: true },
): Flag<number | null> {
  const { min, max = Infinity, inclusive, ...rest } = words;
  const to = max === Infinity ? "" : inclusive ? ` to ${max}` : `, at most ${max}`;
  const range = `a number ${inclusive ? "from" : "above"} ${min}${to}`;
  return {
    ...rest,
    placeholder: "NUMBER",
    fallback: null,
    parse: (text) => {
      const number = /^-?\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
      if ((inclusive ? number >= min : number > min) && number <= max) return number;
      throw new RangeError(range);
    },
  };
}

/** A u64; null when not given. */
export function optionalSeed(words: Words): Flag<bigint | null> {
  return {
    ...words,
    placeholder: "N",
    fallback: null,
    parse: (text) => {
      const seed = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
      if (seed >= 0n && seed < 2n ** 64n) return seed;
      throw new RangeError("a whole number from 0 to 18446744073709551615");
    },
  };
}

/** Any text that is not empty. */
export function text<T extends string | null>(
  words: Words & { readonly fallback: T; readonly placeholder: string },
): Flag<string | T> {
  return { ...words, parse: notEmpty };
}

/** Texts, one for each time the flag is given. */
export function texts(
  words: Words & { readonly placeholder: string },
): Flag<readonly string[]> {
  return { ...words, fallback: [], repeatable: true, parse: (given) => [notEmpty(given)] };
}

/** One of a few words. */
export function choice<const T extends string>(
  words: Words & { readonly fallback: T; readonly choices: readonly T[] },
): Flag<T> {
  const choices: readonly T[] = words.choices;
  return {
    ...words,
    placeholder: choices.join("|"),
    parse: (given) => {
      const found = choices.find((word) => word === given);
      if (found === undefined) throw new RangeError(`one of ${choices.join(", ")}`);
      return found;
    },
  };
}

/** The processor or a GPU; the processor when not given. */
export function device(words: Words): Flag<Device> {
  const isDevice = (text: string): text is Device => /^(cpu|cuda(:\d{1,3})?)$/.test(text);
  return {
    ...words,
    placeholder: "cpu|cuda|cuda:N",
    choices: ["cpu", "cuda"],
    fallback: "cpu",
    parse: (given) => {
      if (isDevice(given)) return given;
      throw new RangeError("cpu, cuda or cuda:N");
    },
  };
}

/** On or off: the flag alone is on, the variable says which. */
export function toggle(words: Words & { readonly fallback?: boolean }): Flag<boolean> {
  return { fallback: false, ...words, placeholder: null, parse: onOrOff };
}

/** A flag of TGI's launcher that changes nothing here; `help` says why. */
export function ignored(
  help: string,
  placeholder: string | null,
  names: Pick<Flag<unknown>, "short" | "only"> = {},
): Flag<string | null> {
  return {
    ...names,
    group: "ignored",
    help,
    placeholder,
    fallback: null,
    shownDefault: "",
    parse: (given) => given,
    ignored: true,
  };
}

/** `maxBestOf` as a flag: `max-best-of`. */
export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * `maxBestOf` as a variable: `MAX_BEST_OF`. Flags of commands beside `serve` get a prefix,
 * `TGI_STOP`: their own names are too common for an environment.
 */
export function variable(key: string, { group }: Pick<Flag<unknown>, "group">): string {
  const name = kebab(key).replaceAll("-", "_").toUpperCase();
  return group === "sampling" || group === "command" ? `TGI_${name}` : name;
}

/** A wrong flag or value: one sentence, exit code 2. */
export function usageError(message: string): StartError {
  return new StartError(message, ExitCode.usage);
}

function notEmpty(given: string): string {
  if (given.trim() === "") throw new RangeError("a text that is not empty");
  return given;
}

/** Reads a switch as TGI's argument parser (clap) reads it from the environment. */
function onOrOff(given: string): boolean {
  const word = given.toLowerCase();
  if (["", "0", "false", "f", "no", "n", "off"].includes(word)) return false;
  if (["1", "true", "t", "yes", "y", "on"].includes(word)) return true;
  throw new RangeError("true or false");
}
