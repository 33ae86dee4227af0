/** Completion for fish. */

import type { CompletedCommand, CompletedFlag } from "./words.ts";

/** The script: put it into `~/.config/fish/completions/tgi.fish`. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const lines = ["tgi", "text-generation-launcher"].flatMap((program) => [
    `complete -c ${program} -f`,
    ...commands.flatMap((command) => commandLines(program, command)),
  ]);
  return `# Completion of tgi for fish; written by: tgi completions fish
function __tgi_command
    set -l words (commandline -opc)
    if contains -- "$words[2]" ${names}
        test "$words[2]" = $argv[1]
    else
        test serve = $argv[1]
    end
end
function __tgi_first
    test (count (commandline -opc)) -eq 1
end
${lines.join("\n")}
`;
}

function commandLines(program: string, command: CompletedCommand): string[] {
  const { name, summary, operands, flags } = command;
  const when = `complete -c ${program} -n '__tgi_command ${name}'`;
  return [
    `complete -c ${program} -n __tgi_first -a ${name} -d ${quoted(summary)}`,
    ...operands.map((word) => `${when} -a ${word}`),
    ...flags.map((flag) => `${when} ${flagWords(flag)}`),
  ];
}

function flagWords({ long, short, help, takesValue, choices, completes }: CompletedFlag): string {
  return [
    `-l ${long}`,
    short === null ? "" : `-s ${short}`,
    takesValue ? completes === null ? "-x" : "-r -F" : "",
    choices === null ? "" : `-a ${quoted(choices.join(" "))}`,
    `-d ${quoted(help)}`,
  ].filter(Boolean).join(" ");
}

/** Text in single quotes, as fish reads them. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (letter) => `\\${letter}`)}'`;
}
