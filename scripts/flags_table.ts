/**
 * Writes the table of flags into README.md, or checks that it is current.
 *
 * Usage: deno task flags [--check] [--help]
 */

import { defaultText, ENTRIES } from "../server/options/command_line.ts";
import { type Flag, GROUPS, kebab, variable } from "../server/options/flag.ts";
import { print, say } from "./steps.ts";

const HELP = `Usage: deno task flags [--check]

Writes the flags of server/options/table.ts into README.md.
  --check  only tell whether README.md is current; exit status 1 when it is not`;

const START = "<!-- flags:start -->";
const END = "<!-- flags:end -->";
const README = new URL("../README.md", import.meta.url);

/** The flags as Markdown, one table under each heading. */
export function flagsMarkdown(): string {
  const sections = Object.entries(GROUPS).flatMap(([group, title]) => {
    const rows = ENTRIES.filter(([, flag]) => flag.group === group)
      .map(([name, flag]) => row(name, flag));
    if (rows.length === 0) return [];
    return [`### ${title}`, "", "| Flag | Variable | Default | |", "|---|---|---|---|", ...rows]
      .join("\n");
  });
  return sections.join("\n\n");
}

/** The document with the text between the two markers replaced. */
export function replaceBetween(document: string, text: string): string {
  const start = document.indexOf(START);
  const end = document.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(`README.md has no ${START} followed by ${END}; add the two lines`);
  }
  return `${document.slice(0, start + START.length)}\n\n${text}\n\n${document.slice(end)}`;
}

function row(name: string, flag: Flag<unknown>): string {
  const short = flag.short === undefined ? "" : `\`-${flag.short}\`, `;
  const value = flag.placeholder === null ? "" : ` ${flag.placeholder}`;
  const cells = [
    flag.only === "variable" ? "" : `${short}\`--${kebab(name)}${value}\``,
    flag.only === "flag" ? "" : `\`${variable(name, flag)}\``,
    defaultText(flag),
    flag.help,
  ];
  return `| ${
    cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("*", "\\*")).join(" | ")
  } |`;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    print(HELP);
    return 0;
  }
  const before = await Deno.readTextFile(README);
  const after = replaceBetween(before, flagsMarkdown());
  if (after === before) return 0;
  if (!args.includes("--check")) {
    await Deno.writeTextFile(README, after);
    return 0;
  }
  say("The flags in README.md are not current: run `deno task flags` and commit the file");
  return 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
