/** Order statistics of a sample. */

/** The middle of several rounds' figures, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which the part `p` (0..1) of the sample lies; nearest rank, NaN when empty. */
export function percentile(sample: readonly number[], p: number): number {
  return percentiles(sample, [p])[0] ?? NaN;
}

/** The same for several parts, sorting once. */
export function percentiles(sample: readonly number[], parts: readonly number[]): number[] {
  const sorted = Float64Array.from(sample).sort();
  return parts.map((p) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? NaN);
}

/** The middle of the sample; of an even number the lower of the two. */
export function median(sample: readonly number[]): number {
  return percentile(sample, 0.5);
}

/** Median, least and most of the finite values; null when there is none. */
export function spread(values: readonly number[]): Spread | null {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return null;
  const [min = NaN, middle = NaN, max = NaN] = percentiles(finite, [0, 0.5, 1]);
  return { median: middle, min, max };
}
