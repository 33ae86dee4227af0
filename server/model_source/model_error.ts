/** Failures to get a model: one sentence each, exit code 3. */

import { ExitCode } from "../commands/exit_code.ts";
import { StartError } from "../errors.ts";

/** A failure of the given words. */
export function modelError(message: string, cause?: unknown): StartError {
  return new StartError(message, ExitCode.model, { cause });
}

/** Why something failed: the innermost failure's own words, without the addresses around them. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause).replace(/^.*\): /, "");
}
