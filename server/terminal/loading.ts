/**
 * How far the loading of a model is. The core loads in one call; what this process holds in memory
 * against the size of the file tells how far it is, close enough for a bar. The CUDA graphs behind
 * that are counted.
 */

import { join } from "node:path";
import type { Captured } from "../../ffi/captured.ts";
import { piecesOf } from "../model_source/gguf_choice.ts";
import {
  followCount,
  followTransfer,
  type Progress,
  type ProgressOutput,
} from "../model_source/progress.ts";

/** A model that loads faster than this needs no bar, ms. */
const PATIENCE_MILLIS = 700;
/** How often the memory is looked at, ms. */
const LOOK_MILLIS = 100;

/** What shows a load, until it is disposed of. */
export interface Loading extends Disposable {
  /** The core is open: shows the last of its graphs. */
  loaded(): void;
}

/**
 * Shows the loading of the file or folder at `path`.
 *
 * @param captured how far the capture of graphs is. Not asked on disposal: a core that could not be
 * opened is no longer there then.
 */
export function showLoading(
  path: string | null,
  output: ProgressOutput,
  captured: () => Captured,
): Loading {
  const total = path === null ? 0 : sizeOf(path);
  const before = Deno.memoryUsage().rss;
  const progress = followTransfer("Loading the model", output);
  let capturing: Progress | null = null;
  let shown = false;
  const lookAtGraphs = () => {
    const { captured: done, graphs } = captured();
    if (graphs === 0) return false;
    if (capturing === null) {
      if (shown) progress.update(total, total);
      progress.end();
      capturing = followCount("Capturing CUDA graphs:", output);
    }
    capturing.update(done, graphs);
    return true;
  };
  const look = () => {
    if (lookAtGraphs()) return;
    shown = true;
    const held = Math.max(0, Deno.memoryUsage().rss - before);
    // The last part is said when it is there.
    progress.update(Math.min(held, total * 0.99), total);
  };
  let timer = setTimeout(() => {
    timer = setInterval(look, LOOK_MILLIS);
  }, PATIENCE_MILLIS);
  if (total === 0) clearTimeout(timer);
  return {
    loaded() {
      if (shown || capturing !== null) lookAtGraphs();
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      if (capturing !== null) return capturing.end();
      if (shown) progress.update(total, total);
      progress.end();
    },
  };
}

function sizeOf(path: string): number {
  try {
    const info = Deno.statSync(path);
    if (!info.isDirectory) {
      return piecesOf(path).reduce((sum, piece) => sum + Deno.statSync(piece).size, 0);
    }
    return [...Deno.readDirSync(path)].filter(({ name }) => name.endsWith(".safetensors"))
      .reduce((sum, { name }) => sum + Deno.statSync(join(path, name)).size, 0);
  } catch {
    return 0; // The core says what is wrong with it.
  }
}
