/** The help of the program as a whole; each command's own comes from its flags. */

import { COMMAND_NAMES, COMMANDS } from "../options/commands.ts";

/** What `tgi --help` prints: a screen of 80 columns and 24 rows. */
export function helpText(version: string): string {
  const rows = COMMAND_NAMES.map((name) => `  ${name.padEnd(13)}${COMMANDS[name].summary}`);
  return `tgi ${version}: text generation, as a server and in the terminal

Usage: tgi [command] [flags]

Commands:
${rows.join("\n")}

Examples:
  tgi                      serve the default model on http://127.0.0.1:3000
  tgi chat                 talk with it
  tgi generate "The capital of France is" --max-new-tokens 8
  tgi plan --model-id ./model.gguf

tgi <command> --help lists its flags; each has an environment variable.
A link to tgi named text-generation-launcher takes the command lines of TGI.
`;
}
