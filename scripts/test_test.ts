import assert from "node:assert/strict";
import { tallyCargo, tallyDeno } from "./test.ts";

Deno.test("the results of all test programs of cargo are added up", () => {
  const output = "running 3 tests\n" +
    "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n" +
    "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
  assert.deepEqual(tallyCargo({ success: false, output }), { passed: 7, failed: 2 });
});

Deno.test("Deno's result is read with and without steps", () => {
  const plain = { success: true, output: "...\nok | 12 passed | 0 failed (1s)\n" };
  assert.deepEqual(tallyDeno(plain), { passed: 12, failed: 0 });
  const steps = {
    success: false,
    output: "FAILED | 10 passed (3 steps) | 2 failed (1 step) (1s)\n",
  };
  assert.deepEqual(tallyDeno(steps), { passed: 10, failed: 2 });
});

Deno.test("a runner that breaks before its tests counts as one failed", () => {
  assert.deepEqual(tallyCargo({ success: false, output: "" }), { passed: 0, failed: 1 });
  assert.deepEqual(tallyDeno({ success: false, output: "" }), { passed: 0, failed: 1 });
  const late = { success: false, output: "ok | 12 passed | 0 failed (1s)\n" };
  assert.deepEqual(tallyDeno(late), { passed: 12, failed: 1 });
});
