/** What may yet become a mark in a text that comes in pieces. */

/** Length of the longest end of `text` that is a proper beginning of `word`. */
export function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length -= 1) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}
