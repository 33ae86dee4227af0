/** How far a run is: a bar on a terminal, nothing elsewhere. */

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

const BAR_WIDTH = 28;

/**
 * A bar that rewrites its line.
 *
 * @param write takes pieces of the terminal's line.
 * @param now gives the time, ms.
 */
export function drawProgress(write: (text: string) => void, now: () => number): BenchProgress {
  let name = "";
  let total = 1;
  let count = 0;
  let started = 0;
  let drawn = -Infinity;
  const draw = () => {
    drawn = now();
    const part = Math.min(count / total, 1);
    const left = part > 0 ? `, ${Math.ceil((drawn - started) / 1000 * (1 / part - 1))} s left` : "";
    const full = Math.round(part * BAR_WIDTH);
    const bar = "#".repeat(full).padEnd(BAR_WIDTH, "-");
    write(`\r[${bar}] ${name}: ${count} of ${total} requests${left}\x1b[K`);
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
