/** Which file to serve from a repository that holds several quantizations. */

import { modelError } from "./model_error.ts";

/** A file and why it was taken. */
export interface Choice {
  readonly file: string;
  readonly reason: string;
}

/** Quantizations in the order of preference: quality for its size, then whatever is small. */
const PREFERRED = ["Q4_K_M", "Q4_1", "Q4_0", "Q8_0", "Q5_K_M", "Q6_K", "F16", "BF16", "F32"];

/** Files in one piece at the top of the repository; the name becomes part of a path. */
const WHOLE_FILE = /^\w[\w.+-]*(?<!-\d{5}-of-\d{5})\.gguf$/;

/**
 * Takes `wanted` where it is given, the only file where there is one, else the preferred
 * quantization.
 *
 * @param files names of the files of the repository.
 * @throws StartError when there is nothing to take.
 */
export function chooseGguf(
  repository: string,
  files: readonly string[],
  wanted: string | null = null,
): Choice {
  if (wanted !== null) {
    if (files.includes(wanted)) return { file: wanted, reason: "the pinned file" };
    throw modelError(`Cannot fetch ${wanted}: ${repository} does not hold it.`);
  }
  const whole = files.filter((file) => WHOLE_FILE.test(file)).sort();
  const [first] = whole;
  if (first === undefined) {
    throw modelError(
      `Cannot serve ${repository}: it holds no .gguf file in one piece; name a repository that ` +
        "does, or a file, by --model-id.",
    );
  }
  if (whole.length === 1) return { file: first, reason: "the only .gguf file" };
  for (const quantization of PREFERRED) {
    const file = whole.find((name) => isQuantization(name, quantization));
    if (file !== undefined) {
      return { file, reason: `${quantization}, the first choice among ${whole.length} files` };
    }
  }
  return { file: first, reason: `the first by name among ${whole.length} files` };
}

function isQuantization(name: string, quantization: string): boolean {
  return new RegExp(`[-._]${quantization}\\.gguf$`, "i").test(name);
}
