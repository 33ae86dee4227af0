/** What every command takes and gives. */

import type { Settings } from "../options.ts";

/** What a command takes from its process. */
export interface CommandContext {
  readonly version: string;
  readonly variables: (name: string) => string | undefined;
}

/**
 * Runs a command to its end and resolves with the exit code.
 *
 * @throws TgiError when it fails: the sentence is for the user.
 */
export type Command = (settings: Settings, context: CommandContext) => Promise<number>;
