import assert from "node:assert/strict";
import {
  batchSizeBuckets,
  durationBuckets,
  skippedTokensBuckets,
  tokenBuckets,
} from "./buckets.ts";

Deno.test("durations have 35 bounds, each one and a half times the last", () => {
  assert.equal(durationBuckets.length, 35);
  assert.equal(durationBuckets[0], 0.00015);
  for (let place = 1; place < durationBuckets.length; place += 1) {
    assert.ok(Math.abs(durationBuckets[place]! / durationBuckets[place - 1]! - 1.5) < 1e-12);
  }
});

Deno.test("token bounds are 100 equal steps that rise, for any limit", () => {
  for (const limit of [1, 1000, 8192]) {
    const bounds = tokenBuckets(limit);
    assert.deepEqual([bounds.length, bounds[99]], [100, limit]);
    assert.ok(bounds.every((bound, place) => place === 0 || bound > bounds[place - 1]!));
  }
});

Deno.test("batch sizes are counted one by one", () => {
  assert.deepEqual([batchSizeBuckets.at(0), batchSizeBuckets.at(-1)], [1, 1024]);
  assert.deepEqual([skippedTokensBuckets.at(0), skippedTokensBuckets.at(-1)], [0, 10]);
});
