/** What a library says of itself and of this machine, without being opened. */

import type { CoreLibrary } from "./library.ts";
import type { LibraryInfo } from "./types.ts";

/** More than the answer ever takes. */
const INFO_BYTES = 4096;

/** The facts of a loaded library. */
export function libraryInfo({ symbols }: CoreLibrary): LibraryInfo {
  const json = new Uint8Array(INFO_BYTES);
  const bytes = symbols.tgi_about(json, json.length);
  return JSON.parse(new TextDecoder().decode(json.subarray(0, bytes))) as LibraryInfo;
}
