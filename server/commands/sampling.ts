/** Sampling flags as the parameters of a job. */

import type { JobParameters } from "../../ffi/types.ts";
import type { FlagValues } from "../options.ts";

/** Null is TGI's default; numbers are those that the core's f32 holds. */
export function samplingParameters(values: FlagValues): JobParameters {
  const f32 = (value: number | null) => value === null ? null : Math.fround(value);
  return {
    do_sample: values.sample,
    max_new_tokens: values.maxNewTokens,
    temperature: f32(values.temperature),
    top_k: values.topK,
    top_p: f32(values.topP),
    typical_p: f32(values.typicalP),
    repetition_penalty: f32(values.repetitionPenalty),
    frequency_penalty: f32(values.frequencyPenalty),
    seed: values.seed,
    stop: values.stop,
  };
}
