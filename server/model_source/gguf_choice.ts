/** Which `.gguf` file to serve from a repository or folder that holds several quantizations. */

import { modelError } from "./model_error.ts";
import { isSafePath, type Wanted } from "./model_id.ts";

/** A model and why it was taken. */
export interface GgufChoice {
  /** The file, or the first of its pieces. */
  readonly file: string;
  /** All files of it, in order. */
  readonly files: readonly string[];
  readonly reason: string;
}

/** Quantizations in the order of preference: quality for its size, then whatever is small. */
const PREFERRED = ["Q4_K_M", "Q4_1", "Q4_0", "Q8_0", "Q5_K_M", "Q6_K", "F16", "BF16", "F32"];

/** One of several pieces, as llama.cpp's `gguf-split` names them. */
const PIECE = /^(.*)-\d{5}-of-(\d{5})\.gguf$/;

/** The quantization at the end of a file's name. */
const LABEL = /[-._/]((?:UD-)?(?:I?Q\d[A-Z0-9_]*|TQ\d_\d|MXFP4\w*|BF16|F16|F32))\.gguf$/i;

/** Beside the model: vision projectors and what quantizing measured. */
const ACCESSORY = /(^|\/)(mmproj|imatrix)|[-._](mmproj|imatrix)\.gguf$/i;

/** Whether a file can hold a whole model's weights, or a piece of them. */
export function isGgufModel(file: string): boolean {
  return file.endsWith(".gguf") && isSafePath(file) && !ACCESSORY.test(file);
}

/** All pieces of the model that a file is a piece of, in order; the file alone where it is whole. */
export function piecesOf(file: string): readonly string[] {
  const [, stem, digits] = PIECE.exec(file) ?? [];
  if (stem === undefined || digits === undefined || Number(digits) === 0) return [file];
  const numbers = Array.from({ length: Number(digits) }, (_, index) => index + 1);
  return numbers.map((number) => `${stem}-${String(number).padStart(5, "0")}-of-${digits}.gguf`);
}

/**
 * Takes what is wanted, the only model where there is one, else the preferred quantization.
 *
 * @param place repository or folder, for messages.
 * @param files paths of its files.
 * @throws StartError when there is nothing to take.
 */
export function chooseGguf(
  place: string,
  files: readonly string[],
  wanted: Wanted = { file: null, quantization: null },
): GgufChoice {
  if (wanted.file !== null) return named(place, files, wanted.file);
  const models = modelsOf(files);
  if (wanted.quantization !== null) return quantized(place, files, wanted.quantization);
  const [first] = models;
  if (first === undefined) throw modelError(`Cannot serve ${place}: ${holding(files)}.`);
  if (models.length === 1) return chosen(place, files, first, "the only .gguf file");
  const labels = models.map((file) => labelOf(file) ?? file).join(", ");
  const others = `of ${labels}; others by --gguf-file or NAME:QUANT`;
  for (const quantization of PREFERRED) {
    const file = models.find((name) => labelOf(name) === quantization);
    if (file === undefined) continue;
    return chosen(place, files, file, `${quantization}, the first choice ${others}`);
  }
  return chosen(place, files, first, `the first by name ${others}`);
}

/** The models among files, sorted; one in pieces by its first. */
function modelsOf(files: readonly string[]): string[] {
  const first = files.filter(isGgufModel).map((file) => piecesOf(file)[0] ?? file);
  return [...new Set(first)].sort();
}

/** @throws StartError when a piece of the model is not there. */
function chosen(
  place: string,
  names: readonly string[],
  file: string,
  reason: string,
): GgufChoice {
  const files = piecesOf(file);
  const there = new Set(names);
  const [lost, ...more] = files.filter((name) => !there.has(name));
  const [first = file] = files;
  const pieces = files.length === 1 ? "" : `, ${files.length} files`;
  if (lost === undefined) return { file: first, files, reason: `${reason}${pieces}` };
  throw modelError(
    `Cannot serve ${first} of ${place}: it is split into ${files.length} files, and ${lost} is ` +
      `not there${more.length === 0 ? "" : `, nor are ${more.length} others`}; fetch all of them.`,
  );
}

function named(place: string, files: readonly string[], file: string): GgufChoice {
  if (!files.includes(file)) {
    throw modelError(`Cannot serve ${file}: ${place} does not hold it; ${holding(files)}.`);
  }
  return chosen(place, files, file, "the file that was named");
}

function quantized(place: string, files: readonly string[], quantization: string): GgufChoice {
  const label = quantization.toUpperCase();
  const fitting = modelsOf(files).filter((file) =>
    labelOf(file) === label || file.toUpperCase().startsWith(`${label}/`)
  );
  const [first, ...others] = fitting;
  if (first === undefined) {
    throw modelError(
      `Cannot serve ${quantization} of ${place}: no .gguf file is of this quantization; ` +
        `${holding(files)}.`,
    );
  }
  if (others.length > 0) {
    throw modelError(
      `Cannot choose ${quantization} of ${place}: ${fitting.join(" and ")} are of this ` +
        "quantization; name one by --gguf-file.",
    );
  }
  return chosen(place, files, first, `${quantization}, as --model-id asks`);
}

/** The quantization that a file's name tells; null where it tells none. */
function labelOf(file: string): string | null {
  return LABEL.exec(`/${file.replace(PIECE, "$1.gguf")}`)?.[1]?.toUpperCase() ?? null;
}

function holding(files: readonly string[]): string {
  const models = modelsOf(files);
  return models.length === 0 ? "it holds none" : `it holds ${models.join(", ")}`;
}
