/** OpenAI's sampling parameters: their bounds, and what they are in a job for the core. */

import type { JobParameters } from "../../ffi/types.ts";
import { ValidationError } from "../errors.ts";
import type { SharedRequest } from "../schemas/openai.ts";
import { MAX_BIASES, MAX_STOP_LENGTH } from "../schemas/validate.ts";

/** Limits that a request is checked against. */
export interface SharedLimits {
  readonly maxStopSequences: number;
  /** Tokens of the vocabulary. */
  readonly vocab: number;
}

/** Where a number must lie, in words and as a test. */
type Bound = readonly [words: string, holds: (value: number) => boolean];

const between = (low: number, high: number): Bound => [
  `>= ${low} and <= ${high}`,
  (value) => value >= low && value <= high,
];

const BOUNDS: Readonly<Record<string, Bound>> = {
  temperature: [">= 0", (value) => value >= 0],
  top_p: between(0, 1),
  presence_penalty: between(-2, 2),
  frequency_penalty: between(-2, 2),
  top_k: [">= -1", (value) => value >= -1],
  min_p: between(0, 1),
  typical_p: ["> 0 and <= 1", (value) => value > 0 && value <= 1],
  repetition_penalty: ["> 0", (value) => Math.fround(value) > 0],
};

/** Throws a {@link ValidationError} that names the first field out of bounds. */
export function checkShared(body: SharedRequest, limits: SharedLimits): void {
  for (const [name, [words, holds]] of Object.entries(BOUNDS)) {
    const value = body[name];
    if (typeof value !== "number" || holds(value)) continue;
    throw ValidationError.ofParam(name, `\`${name}\` must be ${words}. Given: ${value}`);
  }
  checkStops(stopsOf(body), limits.maxStopSequences);
  checkBiases(body.logit_bias ?? {}, limits.vocab);
  if (body.n === 0) throw ValidationError.ofParam("n", "`n` must be > 0. Given: 0");
}

/** Stop texts, one or many. */
function stopsOf({ stop }: SharedRequest): readonly string[] {
  if (stop === null || stop === undefined) return [];
  return typeof stop === "string" ? [stop] : stop;
}

function checkStops(stops: readonly string[], most: number): void {
  if (stops.length > most) {
    throw ValidationError.ofParam(
      "stop",
      `\`stop\` supports up to ${most} stop sequences. Given: ${stops.length}`,
    );
  }
  if (stops.some((stop) => stop === "" || stop.length > MAX_STOP_LENGTH)) {
    throw ValidationError.ofParam(
      "stop",
      `A stop sequence must have 1 to ${MAX_STOP_LENGTH} characters`,
    );
  }
}

function checkBiases(biases: Readonly<Record<string, number>>, vocab: number): void {
  const entries = Object.entries(biases);
  if (entries.length > MAX_BIASES) {
    throw ValidationError.ofParam(
      "logit_bias",
      `\`logit_bias\` must have at most ${MAX_BIASES} entries. Given: ${entries.length}`,
    );
  }
  for (const [id, bias] of entries) {
    if (!/^(0|[1-9]\d{0,9})$/.test(id) || Number(id) >= vocab) {
      throw ValidationError.ofParam(
        "logit_bias",
        `\`logit_bias\` must name token ids below ${vocab}. Given: ${id.slice(0, 20)}`,
      );
    }
    if (!(bias >= -100 && bias <= 100)) {
      throw ValidationError.ofParam(
        "logit_bias",
        `\`logit_bias\` must be >= -100 and <= 100. Given: ${bias}`,
      );
    }
  }
}

/**
 * The parameters of choice `index`. Temperature 0, or top_p 0, is greedy, and nothing then samples.
 * A body without a temperature samples at 1, as OpenAI does.
 */
export function sharedParameters(body: SharedRequest, index: number): JobParameters {
  const isGreedy = toF32(body.temperature) === 0 || toF32(body.top_p) === 0;
  const stop = stopsOf(body);
  return {
    ...(isGreedy ? { do_sample: false } : samplingParameters(body, index)),
    repetition_penalty: toF32(body.repetition_penalty),
    ...given("presence_penalty", toF32(body.presence_penalty)),
    ...given("openai_frequency_penalty", toF32(body.frequency_penalty)),
    ...given("logit_bias", body.logit_bias),
    ...given("min_new_tokens", body.min_tokens),
    ...given("ignore_eos", body.ignore_eos),
    stop,
    ...(stop.length === 0 ? {} : {
      stop_anywhere: true,
      include_stop_str: body.include_stop_str_in_output === true,
    }),
  };
}

function samplingParameters(body: SharedRequest, index: number): JobParameters {
  return {
    do_sample: true,
    temperature: toF32(body.temperature),
    top_p: toF32(body.top_p),
    top_k: (body.top_k ?? 0) > 0 ? body.top_k ?? null : null,
    typical_p: body.typical_p === 1 ? null : toF32(body.typical_p),
    ...given("min_p", toF32(body.min_p)),
    seed: seedOf(body, index),
  };
}

/** Choices of one request must differ: each has a seed of its own. */
function seedOf({ seed }: SharedRequest, index: number): bigint | null {
  if (seed === null || seed === undefined) return null;
  return BigInt.asUintN(64, seed + BigInt(index));
}

/** A parameter that is left out of the job unless it has a value. */
export function given<Name extends keyof JobParameters>(
  name: Name,
  value: JobParameters[Name] | null | undefined,
): Pick<JobParameters, Name> | Record<never, never> {
  return value === null || value === undefined
    ? {}
    : { [name]: value } as Pick<JobParameters, Name>;
}

function toF32(value: number | null | undefined): number | null {
  return typeof value === "number" ? Math.fround(value) : null;
}
