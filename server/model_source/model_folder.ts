/** Folders that models are written to. */

import { modelError } from "./model_error.ts";

/**
 * Makes the folder, with those above it.
 *
 * @throws StartError with exit code 3, one sentence, when it cannot be.
 */
export async function makeModelFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw cannotStore(folder, error);
  }
}

/** Why a folder or a file in it could not be written. */
export function whyNotWritten(error: unknown): string {
  if (error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.AlreadyExists) {
    return "a file stands in its way";
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "this user may not write there";
  }
  const message = error instanceof Error ? error.message : String(error);
  return /read-only file system/i.test(message) ? "the file system is read-only" : message;
}

/** The failure to write into a folder of models. */
export function cannotStore(folder: string, error: unknown): Error {
  return modelError(
    `Cannot store models in ${folder}: ${whyNotWritten(error)}; set HF_HOME and XDG_CACHE_HOME ` +
      "to folders of yours, or name a .gguf file by --model-id.",
    error,
  );
}
