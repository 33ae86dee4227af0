import { equal } from "node:assert/strict";
import { styleOf } from "./style.ts";

const terminal = { isTerminal: () => true };
const pipe = { isTerminal: () => false };

Deno.test("a terminal gets colours", () => {
  equal(styleOf(terminal, () => undefined).red("no"), "\x1b[31mno\x1b[39m");
});

Deno.test("a pipe, NO_COLOR and a dumb terminal get none", () => {
  equal(styleOf(pipe, () => undefined).red("no"), "no");
  equal(styleOf(terminal, (name) => name === "NO_COLOR" ? "1" : undefined).bold("no"), "no");
  equal(styleOf(terminal, (name) => name === "TERM" ? "dumb" : undefined).dim("no"), "no");
});
