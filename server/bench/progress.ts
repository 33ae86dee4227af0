/** How far a run is: a bar on a terminal, nothing elsewhere. */

import { barLine } from "../terminal/bar.ts";

/** Follows a run. */
export interface BenchProgress {
  /** A load begins: `total` requests are expected, about. */
  begin(name: string, total: number): void;
  /** One more request has ended. */
  done(): void;
  /** Takes the bar away. */
  end(): void;
}

/** Where nobody watches. */
export const UNSEEN: BenchProgress = { begin: () => {}, done: () => {}, end: () => {} };

/** Most often that the bar is redrawn, ms. */
const REDRAW_MILLIS = 100;

/**
 * A bar that rewrites its line.
 *
 * @param write takes pieces of the terminal's line.
 * @param now gives the time, ms.
 * @param columns of the terminal; those of this process's when absent.
 */
export function drawProgress(
  write: (text: string) => void,
  now: () => number,
  columns?: number,
): BenchProgress {
  let name = "";
  let total = 1;
  let count = 0;
  let started = 0;
  let drawn = -Infinity;
  const draw = () => {
    drawn = now();
    const part = Math.min(count / total, 1);
    const left = part > 0 ? `, ${Math.ceil((drawn - started) / 1000 * (1 / part - 1))} s left` : "";
    write(barLine(part, `${name}: ${count} of ${total} requests${left}`, columns));
  };
  return {
    begin(load, expected) {
      [name, total, count, started] = [load, Math.max(expected, 1), 0, now()];
      draw();
    },
    done() {
      count += 1;
      if (now() - drawn >= REDRAW_MILLIS) draw();
    },
    end() {
      if (drawn > -Infinity) write("\r\x1b[K");
      drawn = -Infinity;
    },
  };
}
