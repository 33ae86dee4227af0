/** Texts that the core writes into a buffer. */

import type { CoreSymbols } from "./symbols.ts";

/** Enough for nearly every text; a longer one is asked for again. */
const TEXT_BYTES = 4096;

/** The text of the last error of the core. */
export function lastError(symbols: CoreSymbols): string {
  return readText((buffer, cap) => symbols.tgi_last_error(buffer, cap));
}

/** Reads a text by a function that returns its bytes, or minus the bytes that it needs. */
export function readText(
  read: (buffer: Uint8Array<ArrayBuffer>, cap: number) => number,
): string {
  let buffer = new Uint8Array(TEXT_BYTES);
  let bytes = read(buffer, buffer.length);
  if (bytes < 0) {
    buffer = new Uint8Array(-bytes);
    bytes = read(buffer, buffer.length);
  }
  return new TextDecoder().decode(buffer.subarray(0, bytes));
}
