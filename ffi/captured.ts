/** How far the core is with the capture of CUDA graphs, while `Engine.open` loads. */

import type { CoreLibrary } from "./library.ts";

/** Graphs that are there, of those that there will be; 0 of 0 where none are captured. */
export interface Captured {
  readonly captured: number;
  readonly graphs: number;
}

/** Asks the core; at any time. */
export function capturedGraphs({ symbols }: Pick<CoreLibrary, "symbols">): Captured {
  const noted = symbols.tgi_captured();
  return { captured: Number(noted & 0xffff_ffffn), graphs: Number(noted >> 32n) };
}
