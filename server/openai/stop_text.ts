/** OpenAI's stop: the text ends before the stop text, wherever in it the stop text appears. */

/** Passes text on, but for a stop text and what may yet become one. */
export class StopText {
  #held = "";
  #stopped = false;

  /** `include` leaves the stop text itself in. */
  constructor(readonly stops: readonly string[], readonly include: boolean) {}

  /** Whether a stop text was found; nothing follows it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The part of the text so far that is certain and was not given yet. */
  push(text: string): string {
    if (this.#stopped) return "";
    if (this.stops.length === 0) return text;
    const whole = this.#held + text;
    const found = this.#earliest(whole);
    if (found !== null) {
      this.#stopped = true;
      this.#held = "";
      return whole.slice(0, found);
    }
    const certain = whole.length - this.#pending(whole);
    this.#held = whole.slice(certain);
    return whole.slice(0, certain);
  }

  /** What was held back, once nothing follows. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Where the text ends by the stop text that is whole first; of two, the longer. */
  #earliest(text: string): number | null {
    let found: { readonly start: number; readonly end: number } | null = null;
    for (const stop of this.stops) {
      const start = text.indexOf(stop);
      const end = start + stop.length;
      if (start < 0 || (found && (end > found.end || (end === found.end && start > found.start)))) {
        continue;
      }
      found = { start, end };
    }
    if (found === null) return null;
    return this.include ? found.end : found.start;
  }

  /** Length of the longest end of `text` that a stop text may begin with. */
  #pending(text: string): number {
    return Math.max(0, ...this.stops.map((stop) => overlap(text, stop)));
  }
}

/** Length of the longest end of `text` that is a proper beginning of `word`. */
export function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length -= 1) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}
