/** A bar that rewrites its line of the terminal. */

/** Widest bar, characters. */
const WIDEST = 28;

/** A bar narrower than this tells nothing, characters. */
const NARROWEST = 8;

/** Columns of a terminal that does not tell. */
const USUAL_COLUMNS = 80;

/** Columns of this process's terminal. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || USUAL_COLUMNS;
  } catch {
    return USUAL_COLUMNS;
  }
}

/**
 * What rewrites the line: a bar of which `part` is full, and a text. On few columns the bar gets
 * shorter, then the text loses its beginning: a line that wraps could not be rewritten.
 *
 * @param part 0 to 1.
 */
export function barLine(part: number, text: string, columns: number = terminalColumns()): string {
  // Some terminals go on to the next line when the last column is written.
  const room = Math.max(columns - 1, NARROWEST);
  const width = Math.min(WIDEST, room - text.length - "[] ".length);
  const full = Math.round(Math.min(part, 1) * width);
  const bar = width < NARROWEST ? "" : `[${"#".repeat(full)}${"-".repeat(width - full)}] `;
  const shown = text.length > room ? `…${text.slice(text.length - room + 1)}` : text;
  return `\r${bar}${shown}\x1b[K`;
}
