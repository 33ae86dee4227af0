import assert from "node:assert/strict";
import { parseStat, processorMicros } from "./processor_time.ts";

Deno.test("user and system time are read past a name with blanks and parentheses", () => {
  const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 100 200 300";
  assert.equal(parseStat(stat), 1_750_000);
  assert.ok(Number.isNaN(parseStat("")));
});

Deno.test("this process has taken time, and a process that is not there is named", () => {
  assert.ok(processorMicros(Deno.pid) > 0);
  assert.throws(() => processorMicros(2 ** 31 - 1), /process 2147483647: Linux shows no such/);
});

Deno.test({
  name: "without the permission to run cat the message names it",
  permissions: { run: false },
  fn: () => {
    assert.throws(() => processorMicros(Deno.pid), /add --allow-run=cat/);
  },
});
