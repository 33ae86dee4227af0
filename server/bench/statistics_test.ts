import assert from "node:assert/strict";
import fc from "fast-check";
import { median, percentile, percentiles, spread } from "./statistics.ts";

const NUMBERS = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });

Deno.test("a percentile is a value of the sample with that part at or below it", () => {
  fc.assert(fc.property(NUMBERS, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, p) => {
    const found = percentile(values, p);
    assert.ok(values.includes(found));
    const atOrBelow = values.filter((value) => value <= found).length;
    assert.ok(atOrBelow >= p * values.length);
    const below = values.filter((value) => value < found).length;
    assert.ok(below < p * values.length);
  }));
  assert.equal(median([3, 1, 2]), 2);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("percentiles rise with their part and hold least and most", () => {
  fc.assert(fc.property(NUMBERS, (values) => {
    const found = percentiles(values, [0, 0.25, 0.5, 0.75, 1]);
    assert.deepEqual(found, found.toSorted((a, b) => a - b));
    // `+ 0` makes -0 and 0 the same.
    assert.equal((found[0] ?? NaN) + 0, Math.min(...values) + 0);
    assert.equal((found[4] ?? NaN) + 0, Math.max(...values) + 0);
  }));
});

Deno.test("the spread passes over what is no number and is null without any", () => {
  assert.deepEqual(spread([3, NaN, 1, 2, Infinity]), { median: 2, min: 1, max: 3 });
  assert.equal(spread([NaN]), null);
  assert.equal(spread([]), null);
});
