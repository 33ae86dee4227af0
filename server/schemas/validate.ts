/** Bounds of the parameters, in TGI's order and words (`router/src/validation.rs`). */

import { ValidationError } from "../errors.ts";
import type { GenerateParameters, GenerateRequest } from "./generate.ts";

/** Limits that a request is checked against. */
export interface Limits {
  readonly maxStopSequences: number;
  readonly maxTopNTokens: number;
  /** Longest prompt, tokens. */
  readonly maxInputTokens: number;
}

/** Whether the rule is broken, and TGI's words for it. */
type Rule = readonly [broken: boolean, message: string];

/**
 * Throws a {@link ValidationError} (422) for the first rule that the request breaks. What needs
 * the tokenizer, the lengths, is checked by the core.
 */
export function validate(request: GenerateRequest, limits: Limits, stream: boolean): void {
  const parameters = request.parameters ?? {};
  const rules = [
    ...streamRules(parameters, stream),
    ...samplingRules(parameters),
    ...lengthRules(request.inputs, parameters, limits),
    ...unsupportedRules(parameters),
  ];
  const first = rules.find(([broken]) => broken);
  if (first) throw ValidationError.ofInput(first[1]);
}

/** Whether `value` is given and not within the bounds, as an f32. */
function outside(value: number | null | undefined, within: (value: number) => boolean): boolean {
  return typeof value === "number" && !within(Math.fround(value));
}

const isPositive = (value: number) => value > 0;

function streamRules(parameters: GenerateParameters, stream: boolean): Rule[] {
  const isSingle = (parameters.best_of ?? 1) === 1;
  return stream
    ? [
      [!isSingle, "`best_of` != 1 is not supported when streaming tokens"],
      [
        parameters.decoder_input_details === true,
        "`decoder_input_details` == true is not supported when streaming tokens",
      ],
    ]
    : [[!isSingle, "`best_of` != 1 is not allowed for this endpoint"]];
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

function unsupportedRules(parameters: GenerateParameters): Rule[] {
  return [
    [parameters.watermark === true, "watermark is not supported"],
    [isGiven(parameters.adapter_id), "adapter_id is not supported"],
    [isGiven(parameters.grammar), "grammar is not supported"],
  ];
}

function isGiven(value: unknown): boolean {
  return value !== null && value !== undefined;
}
