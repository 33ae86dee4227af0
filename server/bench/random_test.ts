import assert from "node:assert/strict";
import fc from "fast-check";
import { poissonArrivals, seededRandom } from "./random.ts";

Deno.test("a seed repeats its numbers, all within [0, 1)", () => {
  fc.assert(fc.property(fc.nat(), (seed) => {
    const [first, second] = [seededRandom(seed), seededRandom(seed)];
    for (let at = 0; at < 50; at++) {
      const number = first();
      assert.equal(number, second());
      assert.ok(number >= 0 && number < 1);
    }
    assert.notEqual(seededRandom(seed)(), seededRandom(seed + 1)());
  }));
});

Deno.test("arrivals rise, end with the duration, and come at the rate on average", () => {
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 500 }), (seed, rate) => {
    const seconds = 4000 / rate;
    const arrivals = [...poissonArrivals(rate, seconds * 1000, seededRandom(seed))];
    assert.deepEqual(arrivals, arrivals.toSorted((a, b) => a - b));
    assert.ok((arrivals.at(-1) ?? 0) <= seconds * 1000);
    // 4000 are expected; six standard deviations of a Poisson count are 380.
    assert.ok(Math.abs(arrivals.length - 4000) < 380, `${arrivals.length}`);
  }));
});

Deno.test("the gaps between arrivals vary as much as exponential ones do", () => {
  const arrivals = [...poissonArrivals(100, 100_000, seededRandom(7))];
  const gaps = arrivals.map((at, index) => at - (arrivals[index - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  assert.ok(Math.abs(Math.sqrt(variance) / mean - 1) < 0.1);
});
