import assert from "node:assert/strict";
import { describeTransfer, followTransfer } from "./progress.ts";

function written(
  terminal: boolean,
  steps: readonly [millis: number, bytes: number][],
  before = 0,
): string[] {
  let now = 0;
  const texts: string[] = [];
  const progress = followTransfer("model", {
    terminal,
    columns: 80,
    write: (text) => texts.push(text),
    now: () => now,
  });
  progress.resume(before);
  for (const [millis, bytes] of steps) {
    now = millis;
    progress.update(bytes, 100e6);
  }
  progress.end();
  return texts;
}

Deno.test("a transfer is told by bytes, rate and time left", () => {
  assert.equal(
    describeTransfer("model", 25e6, 100e6, 2000),
    "model 25.0 of 100.0 MB, 12.5 MB/s, 6 s left",
  );
  assert.equal(describeTransfer("model", 0, 100e6, 0), "model 0.0 of 100.0 MB, 0.0 MB/s");
});

Deno.test("large transfers are told in larger units", () => {
  assert.equal(
    describeTransfer("model", 20e9, 140e9, 1000e3),
    "model 20.0 of 140.0 GB, 20.0 MB/s, 100 min left",
  );
  assert.match(describeTransfer("model", 1e9, 140e9, 1000e3), /, 39 h left$/);
});

Deno.test("what lay here before tells nothing of the rate", () => {
  assert.equal(
    describeTransfer("model", 75e6, 100e6, 1000, 50e6),
    "model 75.0 of 100.0 MB, 25.0 MB/s, 1 s left",
  );
  const resumed = written(false, [[1000, 75e6]], 50e6);
  assert.deepEqual(resumed, ["model 75.0 of 100.0 MB, 25.0 MB/s, 1 s left"]);
});

Deno.test("elsewhere a slow transfer has a line now and then", () => {
  const steps = [1, 29e3, 31e3, 60e3, 62e3].map((millis): [number, number] => [millis, 1e6]);
  assert.equal(written(false, steps).length, 2);
});

Deno.test("a terminal gets one line that is drawn again, not too often", () => {
  const text = written(true, [[1, 1e6], [2, 2e6], [500, 50e6], [501, 51e6], [900, 100e6]]);
  const drawn = text.join("").split("\r").slice(1);
  assert.equal(drawn.length, 3);
  assert.match(drawn[1] ?? "", /^\[#{14}-{14}\] model 50\.0 of 100\.0 MB, 100\.0 MB\/s, 1 s left/);
  assert.match(drawn[2] ?? "", /^\[#{28}\] model 100\.0 .*\n$/);
});

Deno.test("elsewhere a line comes for each quarter", () => {
  const steps = Array.from({ length: 100 }, (_, index): [number, number] => [index, index * 1e6]);
  const lines = written(false, [...steps, [100, 100e6]]);
  assert.deepEqual(lines.map((line) => line.split(" ")[1]), ["25.0", "50.0", "75.0", "100.0"]);
});
