/**
 * Counts the events of a stream that carry a token, byte by byte and without a text: the client
 * shares the machine with the server. A chunk may end anywhere in an event.
 */

const NEWLINE = 10;
const BLANK = 32;

/** What an event with a token holds: a key, and a value that opens so and does not close at once. */
export interface TokenMark {
  /** End of the key with its colon, such as `content":`. */
  readonly key: string;
  readonly opening: string;
  readonly closing: string;
}

/** Where in a line the scanner is: below {@link VALUE} so many bytes of the key were seen. */
const VALUE = 100;
const INSIDE = 101;
const FOUND = 102;

/** Finds the lines that hold the mark; one for each stream. */
export class EventScanner {
  readonly #key: Uint8Array;
  readonly #opening: number;
  readonly #closing: number;
  #state = 0;

  constructor({ key, opening, closing }: TokenMark) {
    this.#key = new TextEncoder().encode(key);
    this.#opening = opening.charCodeAt(0);
    this.#closing = closing.charCodeAt(0);
  }

  /**
   * Reads on; the number of lines with the mark that ended in this chunk. An event is one line of
   * data, since JSON holds no raw line break.
   */
  push(chunk: Uint8Array): number {
    const first = this.#key[0];
    let state = this.#state;
    let lines = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (state === 0) {
        // Most bytes are none that a key begins with.
        while (at < chunk.length && chunk[at] !== first) at++;
        if (at < chunk.length) state = 1;
      } else if (state === FOUND) {
        at = chunk.indexOf(NEWLINE, at);
        if (at < 0) break;
        lines += 1;
        state = 0;
      } else {
        state = this.#next(state, chunk[at] ?? NEWLINE);
      }
    }
    this.#state = state;
    return lines;
  }

  #next(state: number, byte: number): number {
    if (byte === NEWLINE) return 0;
    if (state === INSIDE) return byte === this.#closing ? 0 : FOUND;
    if (state === VALUE) {
      if (byte === BLANK) return VALUE;
      if (byte === this.#opening) return INSIDE;
      return byte === this.#key[0] ? 1 : 0;
    }
    return this.#matchKey(state, byte);
  }

  #matchKey(state: number, byte: number): number {
    const key = this.#key;
    if (byte === key[state]) return state + 1 === key.length ? VALUE : state + 1;
    // A key's start occurs again only as one byte, as the `t` at the end of `text`.
    const again = state > 1 && key[state - 1] === key[0];
    if (again && byte === key[1]) return 2;
    return byte === key[0] ? 1 : 0;
  }
}
