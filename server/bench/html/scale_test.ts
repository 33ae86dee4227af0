import assert from "node:assert/strict";
import fc from "fast-check";
import { latencyScale, linearScale, percentScale, type Scale } from "./scale.ts";

const VALUES = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }));

function checkScale(scale: Scale, values: readonly number[]): void {
  const places = values.toSorted((a, b) => a - b).map((value) => scale.place(value));
  assert.ok(places.every((place) => place >= 0 && place <= 1), `${places}`);
  assert.deepEqual(places, places.toSorted((a, b) => a - b));
  assert.ok(scale.ticks.length >= 2 && scale.ticks.length <= 20);
  for (const { at } of scale.ticks) assert.ok(at >= 0 && at <= 1);
}

Deno.test("every value lies on its axis, larger ones never before smaller ones", () => {
  fc.assert(fc.property(VALUES, (values) => {
    checkScale(linearScale(values), values);
    checkScale(latencyScale(values), values);
  }));
});

Deno.test("a linear axis begins at zero and ends at a round number", () => {
  const { ticks, place } = linearScale([3, 47]);
  assert.deepEqual(ticks.map(({ label }) => label), ["0", "10", "20", "30", "40", "50"]);
  assert.equal(place(25), 0.5);
  assert.deepEqual(linearScale([9000]).ticks.at(-1)?.label, "10,000");
  assert.equal(linearScale([]).ticks[0]?.label, "0");
});

Deno.test("values far apart are drawn on a logarithmic axis", () => {
  const { ticks, place } = latencyScale([2, 900]);
  assert.deepEqual(ticks.map(({ label }) => label), ["1", "10", "100", "1,000"]);
  assert.ok(Math.abs(place(10) - 1 / 3) < 1e-9);
  assert.equal(place(0), 0);
  assert.equal(latencyScale([2, 9]).ticks[0]?.label, "0");
});

Deno.test("percentiles take as much room for each nine", () => {
  const { place, ticks } = percentScale();
  assert.ok(Math.abs(place(99) - place(90) - (place(90) - place(0))) < 1e-9);
  assert.equal(place(100), 1);
  assert.deepEqual(ticks.map(({ label }) => label), ["min", "p50", "p90", "p99", "max"]);
});
