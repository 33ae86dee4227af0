/** Completion for bash. */

import { type CompletedCommand, type CompletedFlag, completedFlags } from "./words.ts";

/** The script: `source` it, or put it where bash-completion looks. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  const cases = commands.map(({ name, operands, flags }) => {
    const words = [...flags.map(({ long }) => `--${long}`), ...operands].join(" ");
    return `    ${name}) words="${words}" ;;`;
  });
  return `# Completion of tgi for bash; written by: tgi completions bash
_tgi() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local command=serve words
  case "\${COMP_WORDS[1]}" in
    ${names.join("|")}) [ "$COMP_CWORD" -gt 1 ] && command="\${COMP_WORDS[1]}" ;;
  esac
  case "$before" in
${valueCases(completedFlags(commands)).join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ] && [[ "$current" != -* ]]; then words="${names.join(" ")}"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _tgi tgi text-generation-launcher
`;
}

/** What follows a flag that takes a value; nothing is offered where anything may follow. */
function valueCases(flags: readonly CompletedFlag[]): string[] {
  const taking = flags.filter(({ takesValue }) => takesValue);
  const free = taking.filter(({ choices, completes }) => choices === null && completes === null);
  return [
    ...taking.flatMap(({ long, choices, completes }) => {
      const source = choices !== null
        ? `-W "${choices.join(" ")}"`
        : completes === "file"
        ? "-f"
        : completes === "folder"
        ? "-d"
        : null;
      return source === null
        ? []
        : [`    --${long}) COMPREPLY=($(compgen ${source} -- "$current")); return ;;`];
    }),
    `    ${free.map(({ long }) => `--${long}`).join("|")}) return ;;`,
  ];
}
