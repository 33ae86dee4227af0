/** From a valid body to a job for the core and the shape of the answer. */

import type { GenerateJob, JobParameters } from "../../ffi/types.ts";
import { adapterOf } from "../adapter_choice.ts";
import type { GenerateParameters, GenerateRequest } from "../schemas/generate.ts";
import { toJobGrammar } from "../schemas/grammar.ts";
import type { ServerOptions } from "../server_options.ts";

/** What a route asks for beyond the body. */
export interface RouteDefaults {
  readonly profile: "0.3.1" | "3.3";
  /** Strength of the watermark where a body asks for one. */
  readonly watermark: ServerOptions["watermark"];
  /** Adapters that a body may name. */
  readonly adapters: ServerOptions["adapters"];
  /** `return_full_text` where the body has none. */
  readonly returnFullText: boolean;
  /** 0.3.1's `/generate`: details bring the prefill unless the body says otherwise. */
  readonly prefillWithDetails: boolean;
}

/** A generation as the sinks need it. */
export interface GenerationRequest {
  readonly job: GenerateJob;
  /** Put before the generated text; empty unless `return_full_text`. */
  readonly prompt: string;
  readonly details: boolean;
  readonly topTokens: boolean;
  /** Whether the details say where time and tokens went. */
  readonly accounting: boolean;
  /** Unicode characters of the prompt, for `x-compute-characters`. */
  readonly characters: number;
}

/** Makes the job; the body has passed `validate`. */
export function toGenerationRequest(
  body: GenerateRequest,
  defaults: RouteDefaults,
): GenerationRequest {
  const parameters = body.parameters ?? {};
  const prefill = parameters.decoder_input_details ??
    (defaults.prefillWithDetails && defaults.profile === "0.3.1" && parameters.details === true);
  return {
    job: {
      inputs: body.inputs,
      parameters: {
        ...jobParameters(parameters, defaults),
        do_sample: parameters.do_sample ?? (defaults.profile === "3.3" && !body.parameters),
        decoder_input_details: prefill,
      },
      ...adapterOf(defaults, parameters.adapter_id),
    },
    prompt: (parameters.return_full_text ?? defaults.returnFullText) ? body.inputs : "",
    details: [parameters.details, parameters.decoder_input_details, parameters.accounting]
      .includes(true),
    topTokens: (parameters.top_n_tokens ?? 0) > 0,
    accounting: parameters.accounting === true,
    characters: countCharacters(body.inputs),
  };
}

/** Numbers that the core holds as f32 are rounded here, so that both sides check the same value. */
function jobParameters(
  parameters: GenerateParameters,
  { profile, watermark }: RouteDefaults,
): JobParameters {
  return {
    temperature: toF32(parameters.temperature),
    repetition_penalty: toF32(parameters.repetition_penalty),
    frequency_penalty: toF32(parameters.frequency_penalty),
    top_k: parameters.top_k ?? null,
    top_p: toF32(parameters.top_p),
    typical_p: toF32(parameters.typical_p),
    max_new_tokens: maxNewTokens(parameters.max_new_tokens, profile),
    truncate: parameters.truncate ?? null,
    stop: parameters.stop ?? [],
    seed: parameters.seed ?? null,
    top_n_tokens: parameters.top_n_tokens ?? 0,
    ...extensions(parameters, watermark),
  };
}

/** What only few requests have; absent keeps the job short. */
function extensions(
  parameters: GenerateParameters,
  watermark: RouteDefaults["watermark"],
): JobParameters {
  const { grammar, min_p: minP } = parameters;
  const plain = {
    logit_bias: parameters.logit_bias,
    min_new_tokens: parameters.min_new_tokens,
    ignore_eos: parameters.ignore_eos,
    raw_logprobs: parameters.raw_logprobs,
    stop_anywhere: parameters.stop_anywhere,
    include_stop_str: parameters.include_stop_str,
  };
  return {
    ...Object.fromEntries(
      Object.entries(plain).filter(([, value]) => value !== null && value !== undefined),
    ),
    ...(typeof minP === "number" ? { min_p: Math.fround(minP) } : {}),
    ...(parameters.watermark === true ? { watermark } : {}),
    ...(grammar ? { grammar: toJobGrammar(grammar) } : {}),
  };
}

/** Absent is 20 in 0.3.1; null, and absent in 3.3, fill up to the total limit. */
function maxNewTokens(given: number | null | undefined, profile: "0.3.1" | "3.3"): number | null {
  if (given === undefined) return profile === "0.3.1" ? 20 : null;
  return given;
}

function toF32(value: number | null | undefined): number | null {
  return typeof value === "number" ? Math.fround(value) : null;
}

/** Unicode characters, without an array of them. */
export function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
