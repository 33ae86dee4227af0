import { deepEqual } from "node:assert/strict";
import type { LineInput, Typed } from "../terminal/line_input.ts";
import { nextMessage } from "./message_input.ts";

function typing(...lines: (string | Typed)[]): LineInput {
  const left = [...lines];
  return {
    isTerminal: true,
    next: () => {
      const line = left.shift() ?? { kind: "end" as const };
      return Promise.resolve(typeof line === "string" ? { kind: "line", text: line } : line);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function line(text: string): Typed {
  return { kind: "line", text };
}

Deno.test("a line is a message", async () => {
  deepEqual(await nextMessage(typing("hello")), line("hello"));
  deepEqual(await nextMessage(typing()), { kind: "end" });
});

Deno.test("three quotes hold several lines together", async () => {
  deepEqual(await nextMessage(typing('"""', "a", "", "b", '"""')), line("a\n\nb"));
  deepEqual(await nextMessage(typing('"""a', 'b"""')), line("a\nb"));
  deepEqual(await nextMessage(typing('"""one"""')), line("one"));
  deepEqual(await nextMessage(typing('"""', "cut off")), line("cut off"));
});

Deno.test("a backslash at the end goes on in the next line", async () => {
  deepEqual(await nextMessage(typing("a\\", "b\\", "c")), line("a\nb\nc"));
});

Deno.test("an interrupt throws a message of several lines away", async () => {
  deepEqual(await nextMessage(typing('"""', "a", { kind: "interrupt" })), { kind: "interrupt" });
});
