/** Which files of a repository make a safetensors model, and whether a folder has them all. */

import * as z from "zod";
import { modelError } from "./model_error.ts";
import { isSafePath } from "./model_id.ts";

/** Names the tensors of each shard. */
export const INDEX = "model.safetensors.index.json";

/** What is read beside the weights, where it is there; code never is. */
const SIDE_FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "spiece.model",
  "chat_template.jinja",
  "chat_template.json",
  "quantize_config.json",
];

/** Read in every model's folder. */
export const TOKENIZER = "tokenizer.json";

/** Weights of something else than the model: adapters, what training needs, mistral's own copy. */
const OTHER_WEIGHTS = /^(adapter_|consolidated|training_args|optimizer|scheduler|non_lora)/;

const IndexShape = z.object({ weight_map: z.record(z.string(), z.string()) });

/** The files of a model. */
export interface SafetensorsFiles {
  readonly side: readonly string[];
  /** Files of weights; null where the index has to be read first. */
  readonly weights: readonly string[] | null;
}

/** The files among `names`; null where no safetensors model is there. */
export function chooseSafetensors(names: readonly string[]): SafetensorsFiles | null {
  if (!names.includes("config.json")) return null;
  const side = SIDE_FILES.filter((name) => names.includes(name));
  if (names.includes(INDEX)) return { side: [...side, INDEX], weights: null };
  if (names.includes("model.safetensors")) return { side, weights: ["model.safetensors"] };
  const weights = names.filter((name) =>
    name.endsWith(".safetensors") && !name.includes("/") && isSafePath(name) &&
    !OTHER_WEIGHTS.test(name)
  );
  return weights.length === 1 ? { side, weights } : null;
}

/**
 * The shards that an index names, sorted.
 *
 * @throws StartError when it is no index, or names files outside its folder.
 */
export function shardsOf(place: string, index: string): string[] {
  const { success, data } = IndexShape.safeParse(jsonOf(index));
  const shards = success ? [...new Set(Object.values(data.weight_map))].sort() : [];
  const sound = shards.every((name) => isSafePath(name) && name.endsWith(".safetensors"));
  if (shards.length > 0 && sound) return shards;
  throw modelError(
    `Cannot serve ${place}: its ${INDEX} names no .safetensors files beside it; name another model ` +
      "by --model-id.",
  );
}

/**
 * What a folder lacks of its model, by name; empty when it is whole. `read` gives the text of a
 * file in it.
 */
export async function missingOf(
  place: string,
  { weights }: SafetensorsFiles,
  names: readonly string[],
  read: (name: string) => Promise<string>,
): Promise<string[]> {
  const needed = weights ?? shardsOf(place, await read(INDEX));
  return needed.filter((name) => !names.includes(name));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
