import { equal } from "node:assert/strict";
import { testProgram } from "./test_gpu.ts";

Deno.test("the test program is found among cargo's messages", () => {
  const message = (value: unknown) => `${JSON.stringify(value)}\n`;
  const library = message({ target: { name: "tgi_backend_cuda" }, executable: null });
  const tests = message({ target: { name: "backend" }, executable: "/target/backend-1" });
  equal(testProgram(`   Compiling\n${library}${tests}`), "/target/backend-1");
  equal(testProgram(library), null);
});
