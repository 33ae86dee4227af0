import assert from "node:assert/strict";
import { drawProgress } from "./progress.ts";

Deno.test("the bar rewrites one line, tells the time left, and goes away", () => {
  const written: string[] = [];
  let now = 0;
  const progress = drawProgress((text) => written.push(text), () => now, 100);
  progress.begin("4 clients, round 1 of 3", 4);
  now = 50;
  progress.done();
  now = 1000;
  progress.done();
  progress.end();
  assert.deepEqual(written, [
    `\r[${"-".repeat(28)}] 4 clients, round 1 of 3: 0 of 4 requests\x1b[K`,
    `\r[${"#".repeat(14)}${
      "-".repeat(14)
    }] 4 clients, round 1 of 3: 2 of 4 requests, 1 s left\x1b[K`,
    "\r\x1b[K",
  ]);
});

Deno.test("more requests than expected leave the bar full", () => {
  let last = "";
  let now = 0;
  const progress = drawProgress((text) => last = text, () => now += 1000);
  progress.begin("2 requests/s", 1);
  for (let request = 0; request < 3; request++) progress.done();
  assert.ok(last.includes(`[${"#".repeat(28)}] 2 requests/s: 3 of 1 requests, 0 s left`), last);
});

Deno.test("a bar that was never drawn is not taken away", () => {
  const written: string[] = [];
  drawProgress((text) => written.push(text), () => 0, 100).end();
  assert.deepEqual(written, []);
});
