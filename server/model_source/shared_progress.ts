/** One bar for files that come at the same time. */

import type { Progress } from "./progress.ts";

/** Makes the parts of one whole. */
export interface SharedProgress {
  /** For one file more. */
  part(): Progress;
  end(): void;
}

/** @param total bytes of all files. */
export function shareProgress(whole: Progress, total: number): SharedProgress {
  const done: number[] = [];
  let before = 0;
  return {
    part() {
      const index = done.push(0) - 1;
      return {
        resume(bytes) {
          done[index] = bytes;
          before += bytes;
          whole.resume(before);
        },
        update(bytes) {
          done[index] = bytes;
          whole.update(done.reduce((sum, each) => sum + each, 0), total);
        },
        end: () => {},
      };
    },
    end: () => whole.end(),
  };
}
