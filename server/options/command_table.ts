/** Flags that only commands beside `serve` have; their variables begin with `TGI_`. */

import { optionalCount, optionalNumber, optionalSeed, text, texts, toggle } from "./flag.ts";

const SAMPLING = {
  maxNewTokens: optionalCount({
    group: "sampling",
    shownDefault: "up to the end that the model sets, or its longest sequence",
    help: "Tokens to generate at most.",
  }),
  temperature: optionalNumber({
    group: "sampling",
    min: 0,
    max: 100,
    shownDefault: "1",
    help: "Above 1 the text gets more varied, below 1 more expected. Given, it turns sampling on.",
  }),
  topK: optionalCount({
    group: "sampling",
    shownDefault: "all",
    help: "Sample among the N most likely tokens.",
  }),
  topP: optionalNumber({
    group: "sampling",
    min: 0,
    max: 1,
    shownDefault: "1",
    help: "Sample among the most likely tokens that together have this probability.",
  }),
  typicalP: optionalNumber({
    group: "sampling",
    min: 0,
    max: 1,
    shownDefault: "1",
    help: "Sample among the tokens nearest to the expected information (typical decoding).",
  }),
  repetitionPenalty: optionalNumber({
    group: "sampling",
    min: 0,
    max: 100,
    shownDefault: "1",
    help: "Above 1, tokens that have occurred get less likely.",
  }),
  frequencyPenalty: optionalNumber({
    group: "sampling",
    min: -2,
    max: 2,
    inclusive: true,
    shownDefault: "0",
    help: "Above 0, tokens get less likely with each time that they have occurred.",
  }),
  seed: optionalSeed({
    group: "sampling",
    shownDefault: "drawn",
    help: "The same seed gives the same text.",
  }),
  adapterId: text({
    group: "sampling",
    placeholder: "ID",
    fallback: null,
    shownDefault: "the first of --lora-adapters",
    help: "Adapter that answers: one of --lora-adapters, or with --url one of the server's.",
  }),
  sample: toggle({
    group: "sampling",
    help: "Sample, also where no other flag asks for it; without it the likeliest token is taken.",
  }),
  stop: texts({
    group: "sampling",
    placeholder: "TEXT",
    shownDefault: "none",
    help: "End where the text ends with this (repeatable).",
  }),
};

const COMMAND = {
  url: text({
    group: "command",
    placeholder: "URL",
    fallback: null,
    help: "Ask the server at this address instead of loading the model here.",
  }),
  system: text({
    group: "command",
    placeholder: "TEXT",
    fallback: null,
    help: "The system message of a chat.",
  }),
  json: toggle({
    group: "command",
    help: "Print one JSON object on standard output.",
  }),
  quiet: toggle({
    group: "command",
    help: "No bars, no notes: only results, warnings and errors.",
  }),
};

/** Every flag that only commands beside `serve` have, by its camelCase name. */
export const COMMAND_FLAGS = { ...SAMPLING, ...COMMAND };
