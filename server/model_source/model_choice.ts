/** What to serve from a repository or folder: safetensors, or one of its `.gguf` files. */

import { chooseGguf, type GgufChoice, isGgufModel } from "./gguf_choice.ts";
import { modelError } from "./model_error.ts";
import type { Wanted } from "./model_id.ts";
import { chooseSafetensors, type SafetensorsFiles, TOKENIZER } from "./safetensors_choice.ts";

/** One `.gguf` file, or the files of a safetensors model; and why. */
export type ModelChoice =
  | { readonly kind: "gguf" } & GgufChoice
  | { readonly kind: "safetensors"; readonly reason: string } & SafetensorsFiles;

const NO_TOKENIZER =
  `it has no ${TOKENIZER}; name a repository or folder that has one (transformers ` +
  "writes it by save_pretrained of a fast tokenizer)";

/** Formats whose reading runs code that they carry, or that only their own framework reads. */
const OTHER_FORMATS = /\.(bin|pt|pth|ckpt|pkl|h5|msgpack|onnx|nemo)$/;

/**
 * Takes the safetensors model where there is one and no `.gguf` file is wanted, else a `.gguf`
 * file.
 *
 * @param place repository or folder, for messages.
 * @param names paths of its files.
 * @throws StartError when nothing can be served.
 */
export function chooseModel(place: string, names: readonly string[], wanted: Wanted): ModelChoice {
  const isOpen = wanted.file === null && wanted.quantization === null;
  const safetensors = isOpen ? chooseSafetensors(names) : null;
  if (safetensors !== null) {
    if (!names.includes(TOKENIZER)) throw modelError(`Cannot serve ${place}: ${NO_TOKENIZER}.`);
    return { kind: "safetensors", reason: safetensorsReason(names), ...safetensors };
  }
  if (!isOpen || names.some(isGgufModel)) {
    return { kind: "gguf", ...chooseGguf(place, names, wanted) };
  }
  throw modelError(`Cannot serve ${place}: ${whyNothing(names)}.`);
}

function safetensorsReason(names: readonly string[]): string {
  return !names.some(isGgufModel)
    ? "its safetensors weights"
    : `its safetensors weights; a .gguf file by --gguf-file or NAME:QUANT`;
}

function whyNothing(names: readonly string[]): string {
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name)).sort();
  const advice = "name a repository or folder with .safetensors or .gguf files";
  if (names.some((name) => name.endsWith(".safetensors"))) {
    return names.includes("config.json")
      ? `its .safetensors files are no whole model; ${advice}`
      : `it holds .safetensors files but no config.json; ${advice}`;
  }
  if (pickles.length > 0) {
    return `its weights are pickles (${
      pickles[0]
    }), which can run code when they are read; ${advice}, ` +
      "such as a conversion of it (--revision refs/pr/N takes one from a pull request)";
  }
  const other = names.find((name) => OTHER_FORMATS.test(name));
  if (other !== undefined) return `${other} is of a format that is not read; ${advice}`;
  return `it holds no weights, neither .safetensors nor .gguf; ${advice}`;
}
