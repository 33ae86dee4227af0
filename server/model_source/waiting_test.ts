import { equal, rejects } from "node:assert/strict";
import { controllerUnder, pause, TooLate, within } from "./waiting.ts";

const NEVER = new Promise<never>(() => {});

Deno.test("work that takes too long is given up, and says so", async () => {
  const { signal } = new AbortController();
  await rejects(
    within(NEVER, { millis: 5, late: "nothing came", signal }),
    (error) => error instanceof TooLate && error.message === "nothing came",
  );
});

Deno.test("work that ends in time gives its result or its own failure", async () => {
  const { signal } = new AbortController();
  const limits = { millis: 60_000, late: "late", signal };
  equal(await within(Promise.resolve(7), limits), 7);
  await rejects(within(Promise.reject(new Error("own")), limits), /own/);
});

Deno.test("a signal ends every wait, also one that has not begun", async () => {
  const stop = new AbortController();
  const waits = [
    pause(60_000, stop.signal),
    within(NEVER, { millis: 60_000, late: "late", signal: stop.signal }),
  ];
  stop.abort(new Error("stopped"));
  for (const wait of waits) await rejects(wait, /stopped/);
  await rejects(pause(60_000, stop.signal), /stopped/);
});

Deno.test("a controller follows its signal until it is disposed of", () => {
  const above = new AbortController();
  let kept: AbortController;
  {
    using below = controllerUnder(above.signal);
    kept = below;
  }
  using other = controllerUnder(above.signal);
  above.abort();
  equal(kept.signal.aborted, false);
  equal(other.signal.aborted, true);
});
