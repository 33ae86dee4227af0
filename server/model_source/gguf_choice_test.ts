import assert from "node:assert/strict";
import { StartError } from "../errors.ts";
import { chooseGguf } from "./gguf_choice.ts";

Deno.test("the only file is taken, whatever its name", () => {
  assert.deepEqual(chooseGguf("o/m", ["README.md", "weights.gguf"]), {
    file: "weights.gguf",
    reason: "the only .gguf file",
  });
});

Deno.test("of several files the preferred quantization is taken, and why is told", () => {
  const files = ["m.Q2_K.gguf", "m.Q8_0.gguf", "m-q4_k_m.gguf", "m.Q4_K_S.gguf"];
  assert.deepEqual(chooseGguf("o/m", files), {
    file: "m-q4_k_m.gguf",
    reason: "Q4_K_M, the first choice among 4 files",
  });
  assert.equal(chooseGguf("o/m", ["b.IQ3.gguf", "a.IQ2.gguf"]).file, "a.IQ2.gguf");
});

Deno.test("a pinned file is taken or nothing is", () => {
  assert.equal(chooseGguf("o/m", ["a.gguf", "b.gguf"], "b.gguf").file, "b.gguf");
  assert.throws(() => chooseGguf("o/m", ["a.gguf"], "b.gguf"), {
    message: "Cannot fetch b.gguf: o/m does not hold it.",
  });
});

Deno.test("pieces and names that leave the folder are never taken", () => {
  const files = ["m-00001-of-00002.gguf", "../m.gguf", "/etc/m.gguf", "sub/m.gguf", ".m.gguf"];
  assert.throws(() => chooseGguf("o/m", files), (error: unknown) => {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 3);
    assert.match(error.message, /^Cannot serve o\/m: it holds no \.gguf file in one piece; /);
    return true;
  });
});
