/** Which `.gguf` file to serve from a repository or folder that holds several quantizations. */

import { modelError } from "./model_error.ts";
import { isSafePath, type Wanted } from "./model_id.ts";

/** A file and why it was taken. */
export interface GgufChoice {
  readonly file: string;
  readonly reason: string;
}

/** Quantizations in the order of preference: quality for its size, then whatever is small. */
const PREFERRED = ["Q4_K_M", "Q4_1", "Q4_0", "Q8_0", "Q5_K_M", "Q6_K", "F16", "BF16", "F32"];

/** One of several pieces, as llama.cpp's `gguf-split` names them. */
const PIECE = /-\d{5}-of-(\d{5})\.gguf$/;

/** The quantization at the end of a file's name. */
const LABEL = /[-._/]((?:UD-)?(?:I?Q\d[A-Z0-9_]*|TQ\d_\d|MXFP4\w*|BF16|F16|F32))\.gguf$/i;

/** Beside the model: vision projectors and what quantizing measured. */
const ACCESSORY = /(^|\/)(mmproj|imatrix)|[-._](mmproj|imatrix)\.gguf$/i;

/** Whether a file can hold a whole model's weights, or a piece of them. */
export function isGgufModel(file: string): boolean {
  return file.endsWith(".gguf") && isSafePath(file) && !ACCESSORY.test(file);
}

/** Whether a file is one of several pieces. */
export function isPiece(file: string): boolean {
  return PIECE.test(file);
}

/**
 * Takes what is wanted, the only file where there is one, else the preferred quantization.
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
  const models = files.filter(isGgufModel).sort();
  const whole = models.filter((file) => !isPiece(file));
  if (wanted.quantization !== null) return quantized(place, models, wanted.quantization);
  const [first] = whole;
  if (first === undefined) throw inPieces(place, models[0] ?? "", whole);
  if (whole.length === 1) return { file: first, reason: "the only .gguf file" };
  const labels = whole.map((file) => labelOf(file) ?? file).join(", ");
  const others = `of ${labels}; others by --gguf-file or NAME:QUANT`;
  for (const quantization of PREFERRED) {
    const file = whole.find((name) => labelOf(name) === quantization);
    if (file !== undefined) return { file, reason: `${quantization}, the first choice ${others}` };
  }
  return { file: first, reason: `the first by name ${others}` };
}

function named(place: string, files: readonly string[], file: string): GgufChoice {
  if (!files.includes(file)) {
    throw modelError(`Cannot serve ${file}: ${place} does not hold it; ${holding(files)}.`);
  }
  if (isPiece(file)) throw inPieces(place, file, files.filter((name) => !isPiece(name)));
  return { file, reason: "the file that was named" };
}

function quantized(place: string, models: readonly string[], quantization: string): GgufChoice {
  const label = quantization.toUpperCase();
  const fitting = models.filter((file) =>
    labelOf(file.replace(PIECE, ".gguf")) === label || file.toUpperCase().startsWith(`${label}/`)
  );
  const [first, ...others] = fitting;
  if (first === undefined) {
    throw modelError(
      `Cannot serve ${quantization} of ${place}: no .gguf file is of this quantization; ` +
        `${holding(models)}.`,
    );
  }
  if (isPiece(first)) throw inPieces(place, first, models.filter((file) => !isPiece(file)));
  if (others.length > 0) {
    throw modelError(
      `Cannot choose ${quantization} of ${place}: ${fitting.join(" and ")} are of this ` +
        "quantization; name one by --gguf-file.",
    );
  }
  return { file: first, reason: `${quantization}, as --model-id asks` };
}

/** The quantization that a file's name tells; null where it tells none. */
function labelOf(file: string): string | null {
  return LABEL.exec(`/${file}`)?.[1]?.toUpperCase() ?? null;
}

function holding(files: readonly string[]): string {
  const models = files.filter(isGgufModel).sort();
  return models.length === 0 ? "it holds none" : `it holds ${models.join(", ")}`;
}

/** @param piece of a model that is there in pieces. */
export function inPieces(place: string, piece: string, whole: readonly string[]): Error {
  const models = whole.filter(isGgufModel);
  const otherwise = models.length === 0
    ? ""
    : `choose one in one piece (${models.join(", ")}), or `;
  return modelError(
    `Cannot serve ${piece} of ${place}: it is split into ${
      Number(PIECE.exec(piece)?.[1])
    } files; ` +
      `${otherwise}join them by llama-gguf-split --merge and name the result by --model-id.`,
  );
}
