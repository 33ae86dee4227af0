/** What a person sees of the bytes that a program sends to a terminal. */

/** Control sequences that programs here use (ECMA-48), or any other character. */
// deno-lint-ignore no-control-regex
const PIECE = /\x1b\[([\d;?]*)([A-Za-z])|[\s\S]/gu;

/** The lines of the screen, without colours and trailing blanks; lines never wrap. */
export function screenOf(bytes: string): string[] {
  const lines: string[][] = [[]];
  let row = 0;
  let column = 0;
  for (const [piece, parameters, letter] of bytes.matchAll(PIECE)) {
    const line = lines[row] ?? (lines[row] = []);
    if (letter === undefined) {
      if (piece === "\r") column = 0;
      else if (piece === "\n") row += 1;
      else if (piece === "\b") column = Math.max(0, column - 1);
      else if (piece !== "\x07") line[column++] = piece;
    } else if (letter === "G") column = Math.max(1, Number(parameters)) - 1;
    else if (letter === "K" && parameters === "2") line.length = 0;
    else if (letter === "K" || letter === "J") line.length = Math.min(line.length, column);
    else if (letter === "C") column += Number(parameters || 1);
    else if (letter === "D") column = Math.max(0, column - Number(parameters || 1));
    lines[row] ??= [];
  }
  return lines.map((line) => Array.from(line, (letter) => letter ?? " ").join("").trimEnd());
}
