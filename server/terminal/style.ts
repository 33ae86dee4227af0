/** Colours, where a person reads and has not asked for none. */

/** Marks up texts for one stream. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** A stream as far as colours go. */
export interface ColourTarget {
  isTerminal(): boolean;
}

/** SGR codes of ECMA-48: on and off. */
const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] };

/** Colours for `stream`: none in a pipe, with `NO_COLOR` (no-color.org) or on a dumb terminal. */
export function styleOf(
  stream: ColourTarget,
  variables: (name: string) => string | undefined = (name) => Deno.env.get(name),
): Style {
  const wanted = stream.isTerminal() && !variables("NO_COLOR") && variables("TERM") !== "dumb";
  const mark = ([on, off]: number[]) => (text: string) =>
    wanted ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: mark(CODES.bold),
    dim: mark(CODES.dim),
    red: mark(CODES.red),
    green: mark(CODES.green),
    yellow: mark(CODES.yellow),
  };
}
