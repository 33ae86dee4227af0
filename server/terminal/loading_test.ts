import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Captured } from "../../ffi/captured.ts";
import { showLoading } from "./loading.ts";

const MODEL = fileURLToPath(import.meta.url);

/**
 * What is written while the capture takes these steps, a look at a time; the last one when the core
 * is open, if it opens.
 */
async function linesOf(
  path: string | null,
  steps: readonly Captured[],
  opens = true,
): Promise<string[]> {
  const lines: string[] = [];
  const output = { terminal: false, write: (text: string) => void lines.push(text), now: () => 0 };
  let looks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const captured = () => {
    const step = steps[Math.min(looks, steps.length - 1)] ?? { captured: 0, graphs: 0 };
    looks += 1;
    if (looks === steps.length - 1) resolve();
    return step;
  };
  {
    using loading = showLoading(path, output, captured);
    if (steps.length > 1) await promise;
    if (opens) loading.loaded();
  }
  assert.ok(looks <= steps.length - (opens ? 0 : 1), "nobody asks a core that is gone");
  return lines;
}

Deno.test("the capture of graphs is told in quarters, and its end once", async () => {
  const counts = [0, 9, 20, 30, 39, 40];
  const lines = await linesOf(MODEL, counts.map((captured) => ({ captured, graphs: 40 })));
  const capturing = lines.filter((line) => line.startsWith("Capturing"));
  assert.deepEqual(capturing, [
    "Capturing CUDA graphs: 20 of 40",
    "Capturing CUDA graphs: 30 of 40",
    "Capturing CUDA graphs: 40 of 40",
  ]);
});

Deno.test("a core that could not be opened is not asked again", async () => {
  const lines = await linesOf(
    MODEL,
    [0, 20, 40].map((captured) => ({ captured, graphs: 40 })),
    false,
  );
  assert.equal(lines.at(-1), "Capturing CUDA graphs: 20 of 40");
});

Deno.test("a load without graphs says nothing of them", async () => {
  const lines = await linesOf(MODEL, [0, 1].map(() => ({ captured: 0, graphs: 0 })));
  assert.deepEqual(lines.filter((line) => line.includes("graphs")), []);
});

Deno.test("nothing is said where nothing is loaded", async () => {
  assert.deepEqual(await linesOf(null, []), []);
});
