/** Release notes, cut from CHANGELOG.md. */

/** Heading of what has no version yet. */
export const UNRELEASED = "Unreleased";

/**
 * The text below the heading `## NAME`, up to the next heading of that level.
 *
 * @throws Error when there is no such heading, or nothing below it.
 */
export function notesOf(changelog: string, name: string): string {
  const lines = changelog.split("\n");
  const start = lines.findIndex((line) => headingOf(line) === name);
  if (start < 0) {
    throw new Error(`Cannot cut the notes: CHANGELOG.md has no heading "## ${name}"; add it`);
  }
  const next = lines.findIndex((line, index) => index > start && headingOf(line) !== null);
  const notes = lines.slice(start + 1, next < 0 ? undefined : next).join("\n").trim();
  if (notes === "") throw new Error(`Cannot cut the notes: "## ${name}" in CHANGELOG.md is empty`);
  return `${notes}\n`;
}

/** `1.2.3` of `## 1.2.3`, `## [1.2.3]` and `## 1.2.3 - 2026-01-31`; null for any other line. */
function headingOf(line: string): string | null {
  return /^## \[?([^\]\s]+)\]?/.exec(line)?.[1] ?? null;
}
