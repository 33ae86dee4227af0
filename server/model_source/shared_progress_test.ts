import { deepEqual, equal } from "node:assert/strict";
import { shareProgress } from "./shared_progress.ts";

Deno.test("files that come at the same time are one whole", () => {
  const seen: [number, number][] = [];
  let [before, ends] = [0, 0];
  const whole = {
    resume: (done: number) => void (before = done),
    update: (done: number, total: number) => void seen.push([done, total]),
    end: () => void (ends += 1),
  };
  const share = shareProgress(whole, 100);
  const [first, second] = [share.part(), share.part()];
  first.update(10, 40);
  second.resume(20);
  second.update(25, 60);
  first.update(40, 40);
  first.end();
  equal(ends, 0);
  share.end();
  deepEqual(seen, [[10, 100], [35, 100], [65, 100]]);
  deepEqual([before, ends], [20, 1]);
});
