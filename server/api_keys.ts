/** API keys: where they come from. */

import { StartError } from "./errors.ts";
import { ExitCode } from "./commands/exit_code.ts";

/**
 * All keys, those of the flags and those of the file.
 *
 * @throws StartError with exit code 2 when the file cannot be read or holds no key: a server that
 * was to ask for keys must not start without them.
 */
export async function readKeys(
  given: readonly string[],
  file: string | null,
): Promise<readonly string[]> {
  if (file === null) return given;
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (cause) {
    const message = `Cannot read the keys of --api-key-file ${file}: ${whyNotRead(cause)}.`;
    throw new StartError(message, ExitCode.usage, { cause });
  }
  const keys = text.split(/\r?\n/).map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length > 0) return [...given, ...keys];
  throw new StartError(`--api-key-file ${file} holds no key: write one a line.`, ExitCode.usage);
}

function whyNotRead(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file; check the path";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder; name the file";
  return error instanceof Error ? error.message : String(error);
}
