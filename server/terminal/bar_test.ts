import { equal } from "node:assert/strict";
import fc from "fast-check";
import { barLine } from "./bar.ts";

/** What stands on the terminal's line. */
function line(part: number, text: string, columns: number): string {
  return barLine(part, text, columns).replace("\r", "").replace("\x1b[K", "");
}

Deno.test("a bar is as full as the part", () => {
  equal(line(0, "begun", 80), `[${"-".repeat(28)}] begun`);
  equal(line(0.5, "half", 80), `[${"#".repeat(14)}${"-".repeat(14)}] half`);
  equal(line(1.5, "more", 80), `[${"#".repeat(28)}] more`);
});

Deno.test("on few columns the bar gets shorter, then the text loses its beginning", () => {
  equal(line(0.5, "name 1 of 2 MB", 28), "[#####-----] name 1 of 2 MB");
  equal(line(0.5, "name 1 of 2 MB", 24), "name 1 of 2 MB");
  equal(line(0.5, "name 1 of 2 MB", 12), "… 1 of 2 MB");
});

Deno.test("a line never reaches the last column", () => {
  fc.assert(fc.property(
    fc.double({ min: 0, max: 2, noNaN: true }),
    fc.string({ maxLength: 150 }),
    fc.integer({ min: 9, max: 200 }),
    (part, text, columns) => line(part, text, columns).length < columns,
  ));
});
