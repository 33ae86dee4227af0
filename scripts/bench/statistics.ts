/** Order statistics of a sample. */

/** The value below which the part `p` (0..1) of the sample lies; nearest rank, NaN when empty. */
export function percentile(sample: readonly number[], p: number): number {
  if (sample.length === 0) return NaN;
  const sorted = Float64Array.from(sample).sort();
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? NaN;
}

/** The middle of the sample; of an even number the lower of the two. */
export function median(sample: readonly number[]): number {
  return percentile(sample, 0.5);
}
