/** Sampling flags as the parameters of a job, and which adapter it is for. */

import type { JobParameters } from "../../ffi/types.ts";
import type { FlagValues } from "../options.ts";
import { usageError } from "../options/flag.ts";

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

/**
 * Place of the adapter that answers: the one that is named, else the first; null without adapters.
 *
 * @throws StartError with exit code 2 when the one that is named is not loaded.
 */
export function adapterPlace(
  { adapterId, loraAdapters }: Pick<FlagValues, "adapterId" | "loraAdapters">,
): number | null {
  if (adapterId === null) return loraAdapters.length > 0 ? 0 : null;
  const place = loraAdapters.findIndex(({ id }) => id === adapterId);
  if (place >= 0) return place;
  const known = loraAdapters.map(({ id }) => id).join(", ") || "none";
  throw usageError(
    `--adapter-id ${adapterId}: no such adapter; those of --lora-adapters are: ${known}.`,
  );
}
