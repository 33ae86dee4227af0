/** Bounds of the parameters, in TGI's order and words (`router/src/validation.rs`). */

import { ValidationError } from "../errors.ts";
import type { GenerateParameters, GenerateRequest } from "./generate.ts";

/** Limits that a request is checked against. */
export interface Limits {
  readonly maxBestOf: number;
  readonly maxStopSequences: number;
  readonly maxTopNTokens: number;
  /** Longest prompt, tokens. */
  readonly maxInputTokens: number;
  /** Tokens of the vocabulary. */
  readonly vocab: number;
  /** Whether grammars are refused. */
  readonly disableGrammarSupport: boolean;
  /** Adapters that are loaded. */
  readonly adapters: readonly string[];
}

/** Most biases of a request: each is looked at for every token. */
export const MAX_BIASES = 1024;

/** Longest stop text that is looked for anywhere, UTF-16 units: tokens wait while one may begin. */
export const MAX_STOP_LENGTH = 1024;

/** What is said to a grammar where none is supported. */
export const NO_GRAMMARS = "grammar is not supported";

/** Whether the rule is broken, and TGI's words for it. */
type Rule = readonly [broken: boolean, message: string];

/**
 * Throws a {@link ValidationError} (422) for the first rule that the request breaks. What needs
 * the tokenizer, the lengths, is checked by the core.
 */
export function validate(request: GenerateRequest, limits: Limits, stream: boolean): void {
  const parameters = request.parameters ?? {};
  const rules: Rule[] = [
    ...streamRules(parameters, limits, stream),
    ...samplingRules(parameters),
    ...lengthRules(request.inputs, parameters, limits),
    ...extensionRules(parameters, limits),
    ...adapterRules(parameters, limits),
    [limits.disableGrammarSupport && isGiven(parameters.grammar), NO_GRAMMARS],
  ];
  const first = rules.find(([broken]) => broken);
  if (first) throw ValidationError.ofInput(first[1]);
}

/** Whether `value` is given and not within the bounds, as an f32. */
function outside(value: number | null | undefined, within: (value: number) => boolean): boolean {
  return typeof value === "number" && !within(Math.fround(value));
}

const isPositive = (value: number) => value > 0;

/** What cannot be streamed, and what best_of wants. */
function streamRules(parameters: GenerateParameters, limits: Limits, stream: boolean): Rule[] {
  const bestOf = parameters.best_of ?? 1;
  if (stream) {
    return [
      [bestOf !== 1, "`best_of` != 1 is not supported when streaming tokens"],
      [
        parameters.decoder_input_details === true,
        "`decoder_input_details` == true is not supported when streaming tokens",
      ],
    ];
  }
  const { maxBestOf } = limits;
  return [
    [maxBestOf === 1 && bestOf !== 1, "`best_of` != 1 is not allowed for this endpoint"],
    [
      bestOf === 0 || bestOf > maxBestOf,
      `\`best_of\` must be > 0 and <= ${maxBestOf}. Given: ${bestOf}`,
    ],
    [bestOf > 1 && !isSampling(parameters), "you must use sampling when `best_of` is > 1"],
  ];
}

/** TGI's test for best_of: any of these asks for sampling. */
function isSampling(parameters: GenerateParameters): boolean {
  const { do_sample, temperature, top_k, top_p, typical_p } = parameters;
  return do_sample === true || [temperature, top_k, top_p, typical_p].some(isGiven);
}

function samplingRules(parameters: GenerateParameters): Rule[] {
  return [
    [outside(parameters.temperature, isPositive), "`temperature` must be strictly positive"],
    [
      outside(parameters.repetition_penalty, isPositive),
      "`repetition_penalty` must be strictly positive",
    ],
    [
      outside(parameters.frequency_penalty, (value) => value >= -2 && value <= 2),
      "`frequency_penalty` must be >= -2.0 and <= 2.0",
    ],
    [
      outside(parameters.top_p, (value) => value > 0 && value <= 1),
      "`top_p` must be > 0.0 and <= 1.0",
    ],
    [
      outside(parameters.typical_p, (value) => value > 0 && value < 1),
      "`typical_p` must be > 0.0 and < 1.0",
    ],
    [outside(parameters.top_k, isPositive), "`top_k` must be strictly positive"],
  ];
}

function lengthRules(inputs: string, parameters: GenerateParameters, limits: Limits): Rule[] {
  const stops = parameters.stop?.length ?? 0;
  const topN = parameters.top_n_tokens ?? 0;
  const { truncate } = parameters;
  const { maxStopSequences, maxTopNTokens, maxInputTokens } = limits;
  return [
    [outside(parameters.max_new_tokens, isPositive), "`max_new_tokens` must be strictly positive"],
    [
      stops > maxStopSequences,
      `\`stop\` supports up to ${maxStopSequences} stop sequences. Given: ${stops}`,
    ],
    [
      (parameters.best_of ?? 1) > 1 && isGiven(parameters.seed),
      "`seed` must not be set when `best_of` > 1",
    ],
    [
      topN > maxTopNTokens,
      `\`top_n_tokens\` must be >= 0 and <= ${maxTopNTokens}. Given: ${topN}`,
    ],
    [inputs === "", "`inputs` cannot be empty"],
    [
      outside(truncate, (value) => value > 0 && value <= maxInputTokens),
      `\`truncate\` must be strictly positive and less than ${maxInputTokens}. Given: ${truncate}`,
    ],
  ];
}

/** Parameters that TGI does not have. */
function extensionRules(parameters: GenerateParameters, { vocab }: Limits): Rule[] {
  const anywhere = parameters.stop_anywhere === true ? parameters.stop ?? [] : [];
  const biases = Object.entries(parameters.logit_bias ?? {});
  const isToken = (id: string) => /^(0|[1-9]\d{0,9})$/.test(id) && Number(id) < vocab;
  return [
    [
      outside(parameters.min_p, (value) => value >= 0 && value <= 1),
      "`min_p` must be >= 0.0 and <= 1.0",
    ],
    [
      anywhere.some((stop) => stop === "" || stop.length > MAX_STOP_LENGTH),
      `a \`stop\` sequence must have 1 to ${MAX_STOP_LENGTH} characters with \`stop_anywhere\``,
    ],
    [
      biases.length > MAX_BIASES,
      `\`logit_bias\` must have at most ${MAX_BIASES} entries. Given: ${biases.length}`,
    ],
    [
      !biases.every(([id]) => isToken(id)),
      `\`logit_bias\` must name token ids below ${vocab}`,
    ],
    [
      biases.some(([, bias]) => !(bias >= -100 && bias <= 100)),
      "`logit_bias` must be >= -100.0 and <= 100.0",
    ],
  ];
}

/** TGI answers with the base model where the id is unknown. */
function adapterRules({ adapter_id }: GenerateParameters, { adapters }: Limits): Rule[] {
  const known = adapters.length === 0
    ? "none is loaded, leave `adapter_id` out"
    : `those loaded are ${adapters.map((id) => `\`${id}\``).join(", ")}`;
  return [[
    typeof adapter_id === "string" && !adapters.includes(adapter_id),
    `unknown adapter \`${adapter_id}\`: ${known}`,
  ]];
}

function isGiven(value: unknown): boolean {
  return value !== null && value !== undefined;
}
