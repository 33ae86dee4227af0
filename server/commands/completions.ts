/** `tgi completions`: a script that makes a shell complete commands, flags and values. */

import { bashScript } from "../completions/bash.ts";
import { fishScript } from "../completions/fish.ts";
import { completedCommands } from "../completions/words.ts";
import { zshScript } from "../completions/zsh.ts";
import type { Settings } from "../options.ts";
import { usageError } from "../options/flag.ts";
import { TextOutput } from "../terminal/text_output.ts";
import { ExitCode } from "./exit_code.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** Prints the script of the shell that the operand names. */
export function completions({ operands }: Settings): Promise<number> {
  const [shell] = operands;
  if (shell !== "bash" && shell !== "zsh" && shell !== "fish") {
    throw usageError("Cannot write completions without a shell: name bash, zsh or fish.");
  }
  new TextOutput().write(SCRIPTS[shell](completedCommands()));
  return Promise.resolve(ExitCode.ok);
}
