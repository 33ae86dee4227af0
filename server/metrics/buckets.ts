/** Bounds of TGI's histograms (`router/src/server.rs`). */

/** 35 bounds from 150 µs to 146 s, each one and a half times the last. In seconds. */
export const durationBuckets: readonly number[] = (() => {
  const bounds: number[] = [];
  for (let bound = 0.00015; bounds.length < 35; bound *= 1.5) bounds.push(bound);
  return bounds;
})();

/** 100 equal steps up to `limit` tokens. */
export function tokenBuckets(limit: number): number[] {
  return Array.from({ length: 100 }, (_, step) => (limit / 100) * (step + 1));
}

/** 1 to 1024 sequences. */
export const batchSizeBuckets: readonly number[] = Array.from({ length: 1024 }, (_, i) => i + 1);

/** 0 to 10 speculated tokens; TGI leaves its own bounds out. */
export const skippedTokensBuckets: readonly number[] = Array.from({ length: 11 }, (_, i) => i);
