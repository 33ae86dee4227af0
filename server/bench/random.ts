/** Random numbers that a seed repeats. */

/** Gives numbers in [0, 1). */
export type Random = () => number;

/** The generator mulberry32 (Tommy Ettinger, public domain): 32 bits of state. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Arrival times of a Poisson process, ms from its start: the gaps are exponential and know
 * nothing of each other.
 *
 * @param rate arrivals in a second, on average.
 * @param durationMillis no arrival is later.
 */
export function* poissonArrivals(
  rate: number,
  durationMillis: number,
  random: Random,
): Generator<number> {
  const meanGap = 1000 / rate;
  for (let at = 0;;) {
    at -= Math.log(1 - random()) * meanGap;
    if (at > durationMillis) return;
    yield at;
  }
}
