/** Every flag of `tgi bench`. */

import { choice, count, type Flag, optionalCount, text, toggle } from "../options/flag.ts";
import { API_NAMES } from "./api.ts";

const SERVER = {
  url: text({
    group: "benchServer",
    placeholder: "URL",
    fallback: "http://127.0.0.1:3000",
    help: "Address of the server, without the API's path.",
  }),
  api: {
    ...choice({
      group: "benchServer",
      choices: API_NAMES,
      fallback: "tgi",
      help: `Its API: ${API_NAMES.join(", ")}.`,
    }),
    placeholder: "NAME",
  },
  model: text({
    group: "benchServer",
    placeholder: "NAME",
    fallback: "tgi",
    help: "Name of the model for the OpenAI APIs.",
  }),
  apiKey: text({
    group: "benchServer",
    placeholder: "KEY",
    fallback: null,
    help: "Sent as a bearer token; never in a report.",
  }),
  pid: optionalCount({
    group: "benchServer",
    shownDefault: "",
    help: "Also tell the processor time of this process for each token (Linux).",
  }),
};

const LOAD = {
  clients: list({
    group: "benchLoad",
    fallback: [16],
    shownDefault: "16",
    parse: (given) => numbers(given, /^[1-9]\d{0,4}$/, "whole numbers from 1 to 99999"),
    help: "Closed loop: so many streams at a time; 1,16,64 measures one after another.",
  }),
  requests: count({
    group: "benchLoad",
    fallback: 4,
    max: 1_000_000,
    help: "Closed loop: requests of each client in a round.",
  }),
  rate: list({
    group: "benchLoad",
    fallback: null,
    parse: (given) => numbers(given, /^(?!0*\.?0*$)\d{1,5}(\.\d{1,3})?$/, "numbers above 0"),
    help: "Open loop: requests a second, arriving as a Poisson process; also 0.5,1,2.",
  }),
  duration: count({
    group: "benchLoad",
    fallback: 10,
    max: 86_400,
    help: "Open loop: time in which the requests of a round arrive, seconds.",
  }),
  maxInFlight: count({
    group: "benchLoad",
    fallback: 512,
    max: 65_536,
    help: "Open loop: what arrives beyond so many open requests fails unsent.",
  }),
  seed: count({
    group: "benchLoad",
    fallback: 0,
    min: 0,
    help: "Open loop: of the arrival times.",
  }),
  rounds: count({
    group: "benchLoad",
    fallback: 3,
    max: 1000,
    help: "Rounds that are counted, after a warm-up that is not.",
  }),
};

const PROMPTS = {
  promptTokens: count({
    group: "benchPrompts",
    fallback: 64,
    max: 1_000_000,
    help: "Random words of each prompt: about as many tokens; no two prompts begin alike.",
  }),
  promptFile: text({
    group: "benchPrompts",
    placeholder: "FILE",
    fallback: null,
    help: 'JSON lines instead: "text" or {"prompt": "text", "max_new_tokens": N}.',
  }),
  sharedPrefixTokens: count({
    group: "benchPrompts",
    fallback: 0,
    min: 0,
    max: 1_000_000,
    help: "Words that every prompt begins with, in front of its own: for a warm prefix cache.",
  }),
  maxNewTokens: count({
    group: "benchPrompts",
    fallback: 64,
    max: 1_000_000,
    help: "Tokens to generate.",
  }),
  allowEos: toggle({
    group: "benchPrompts",
    help: "Do not ask for ignore_eos, which some servers refuse.",
  }),
};

const REPORT = {
  sloTtft: count({
    group: "benchReport",
    fallback: 500,
    help: "Goodput: longest time to the first token, ms.",
  }),
  sloItl: count({
    group: "benchReport",
    fallback: 50,
    help: "Goodput: longest mean time between a request's tokens, ms.",
  }),
  json: text({
    group: "benchReport",
    placeholder: "FILE",
    fallback: null,
    help: "Write the figures as JSON; - or no value is standard output, without the table.",
  }),
  html: text({
    group: "benchReport",
    placeholder: "FILE",
    fallback: null,
    help: "Write a report with plots, one file that needs no network.",
  }),
  compare: toggle({
    group: "benchReport",
    only: "flag",
    help: "Measure nothing: compare two files of --json, the first being the base.",
  }),
  quiet: toggle({ group: "benchReport", help: "No progress on the terminal." }),
};

/** Every flag, by its camelCase name. */
export const BENCH_FLAGS = {
  ...SERVER,
  ...LOAD,
  ...PROMPTS,
  ...REPORT,
} satisfies Record<string, Flag<unknown>>;

/** A flag's name. */
export type BenchFlagName = keyof typeof BENCH_FLAGS;

/** The value of every flag. */
export type BenchValues = {
  readonly [Name in BenchFlagName]: (typeof BENCH_FLAGS)[Name] extends Flag<infer Value> ? Value
    : never;
};

/** Numbers with commas between them. */
function list<T extends readonly number[] | null>(
  words: Omit<Flag<readonly number[] | T>, "placeholder"> & { readonly fallback: T },
): Flag<readonly number[] | T> {
  return { ...words, placeholder: "N,…" };
}

function numbers(given: string, each: RegExp, wanted: string): readonly number[] {
  const parts = given.split(",");
  if (!parts.every((part) => each.test(part))) {
    throw new RangeError(`${wanted}, with commas between them`);
  }
  return parts.map(Number);
}
