/** Completion for zsh. */

import { type CompletedCommand, type CompletedFlag, quoted } from "./words.ts";

/** The script: `source` it after `compinit`, or put it as `_tgi` into a folder of `$fpath`. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  const described = commands.map(({ name, summary }) => quoted(`${name}:${escaped(summary)}`));
  const cases = commands.map(({ name, operands, flags }) => {
    const specs = [...flags.map(spec), ...operandSpec(operands)];
    return `    ${name})
      _arguments -S \\
        ${specs.join(" \\\n        ")}
      ;;`;
  });
  return `#compdef tgi text-generation-launcher
# Completion of tgi for zsh; written by: tgi completions zsh
_tgi() {
  local command=serve
  local -a commands
  commands=(
    ${described.join("\n    ")}
  )
  if (( CURRENT == 2 )) && [[ "$words[2]" != -* ]]; then
    _describe command commands
    return
  fi
  case "$words[2]" in
    ${names.join("|")})
      command="$words[2]"
      shift words
      (( CURRENT -= 1 ))
      ;;
  esac
  case "$command" in
${cases.join("\n")}
  esac
}
if [[ "$funcstack[1]" == _tgi ]]; then _tgi "$@"; else compdef _tgi tgi text-generation-launcher; fi
`;
}

function spec({ long, help, takesValue, choices, completes }: CompletedFlag): string {
  const value = !takesValue
    ? ""
    : choices !== null
    ? `:value:(${choices.join(" ")})`
    : completes === "file"
    ? ":file:_files"
    : completes === "folder"
    ? ":folder:_files -/"
    : ":value: ";
  return quoted(`--${long}[${escaped(help)}]${value}`);
}

function operandSpec(operands: readonly string[]): string[] {
  return operands.length === 0 ? [] : [quoted(`1:word:(${operands.join(" ")})`)];
}

/** Brackets and colons part the fields of a specification. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, (letter) => `\\${letter}`);
}
