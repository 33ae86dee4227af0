import { deepEqual, throws } from "node:assert/strict";
import { StartError } from "../errors.ts";
import { type ByteSink, OutputClosed, TextOutput } from "./text_output.ts";

function failing(error: Error): ByteSink {
  return {
    isTerminal: () => false,
    writeSync: () => {
      throw error;
    },
  };
}

Deno.test("a text is written whole, however little is taken at a time", () => {
  const taken: number[] = [];
  const output = new TextOutput({
    isTerminal: () => false,
    writeSync: (bytes) => taken.push(...bytes.subarray(0, 1)) && 1,
  });
  output.write("né");
  deepEqual(new Uint8Array(taken), new TextEncoder().encode("né"));
});

Deno.test("a reader that has gone is told apart from a failure", () => {
  const output = new TextOutput(failing(new Deno.errors.BrokenPipe("gone")));
  throws(() => output.write("a"), OutputClosed);
});

Deno.test("a full disk is one sentence", () => {
  const full = Object.assign(new Error("os error 28"), { code: "ENOSPC" });
  throws(
    () => new TextOutput(failing(full)).write("a"),
    (error) => error instanceof StartError && /: the disk is full; free/.test(error.message),
  );
});
