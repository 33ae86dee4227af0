import { deepEqual } from "node:assert/strict";
import { screenOf } from "./screen.ts";

Deno.test("colours are not seen, and a redrawn line is seen once", () => {
  deepEqual(screenOf("\x1b[31mred\x1b[39m\r\n50 %\r100 %\x1b[K\r\nend"), ["red", "100 %", "end"]);
});

Deno.test("an edited line is seen as it ends", () => {
  deepEqual(screenOf("\x1b[1G\x1b[0J> \x1b[3Ghello\b \b"), ["> hell"]);
});
