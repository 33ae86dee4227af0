/** `tgi --version`: the version, then what would compute here, one fact a line. */

import { libraryFor, openLibrary } from "../../ffi/library.ts";
import { surveyMachine } from "../../ffi/survey.ts";
import { type CarriedModel, carriedModel } from "../carried_model.ts";
import { StartError } from "../errors.ts";

/** The lines after the version; a core that cannot be loaded is a line, not a failure. */
export function aboutText(): string {
  const lines = [`Deno: ${Deno.version.deno}`, ...coreLines(), gpuLine()];
  const carried = carriedModel();
  if (carried !== null) lines.push(carriedLine(carried));
  return lines.map((line) => `${line}\n`).join("");
}

function coreLines(): string[] {
  try {
    const library = openLibrary();
    try {
      const { devices, cpuIsas } = surveyMachine(library);
      return [
        `Core: ${library.path} (${library.reason})`,
        `Device: ${devices.join(", ")} (all that this library computes on)`,
        `Instruction sets: ${cpuIsas.join(", ")} (the fastest is found at load)`,
      ];
    } finally {
      library.close();
    }
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return [`Core: none. ${error.message}`];
  }
}

/** Where candle's library for a GPU is; it is not loaded, for that would wake the GPU. */
function gpuLine(): string {
  try {
    const { path, reason } = libraryFor({ device: "cuda", backend: "candle" });
    return `Core for --device cuda --backend candle: ${path} (${reason})`;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return `Core for --device cuda --backend candle: none. ${error.message}`;
  }
}

function carriedLine({ repository, offset, length, file }: CarriedModel): string {
  return `Model: ${repository}, ${file} in the executable at byte ${offset}, ${length} bytes`;
}
