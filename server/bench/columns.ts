/** Text in columns, for the terminal. */

/** How a table is drawn. */
export interface TableStyle {
  /** May escape sequences be written? */
  readonly colour: boolean;
}

/**
 * Lines with the cells in columns: the first ones to the left, the others to the right. The header
 * rows are bold where colour may be.
 */
export function drawColumns(
  header: readonly (readonly string[])[],
  rows: readonly (readonly string[])[],
  { colour }: TableStyle,
  leftColumns = 1,
): string[] {
  const all = [...header, ...rows];
  const columns = Math.max(...all.map((row) => row.length));
  const widths = Array.from(
    { length: columns },
    (_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  const draw = (row: readonly string[]) =>
    widths.map((width, column) => {
      const cell = row[column] ?? "";
      return column < leftColumns ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd();
  const bold = (line: string) => colour ? `\x1b[1m${line}\x1b[22m` : line;
  return [...header.map((row) => bold(draw(row))), ...rows.map(draw)];
}

/** A figure with four digits at most, or as many as its whole part has; `-` for none. */
export function shortNumber(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  const digits = size >= 999.5 ? 0 : size >= 9.95 ? 1 : 2;
  const [whole = "", part] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? grouped : `${grouped}.${part}`;
}
