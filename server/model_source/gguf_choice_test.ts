import assert from "node:assert/strict";
import { StartError } from "../errors.ts";
import { chooseGguf } from "./gguf_choice.ts";

function file(name: string) {
  return { file: name, quantization: null };
}

function quantization(name: string) {
  return { file: null, quantization: name };
}

function refusal(files: readonly string[], wanted?: Parameters<typeof chooseGguf>[2]): string {
  try {
    return `took ${chooseGguf("o/m", files, wanted).file}`;
  } catch (error) {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 3);
    return error.message;
  }
}

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
    reason: "Q4_K_M, the first choice of Q4_K_M, Q2_K, Q4_K_S, Q8_0; others by --gguf-file or " +
      "NAME:QUANT",
  });
  assert.equal(chooseGguf("o/m", ["b.IQ3_M.gguf", "a.IQ2_M.gguf"]).file, "a.IQ2_M.gguf");
});

Deno.test("a vision projector or an importance matrix is no model", () => {
  const files = ["mmproj-model-f16.gguf", "m.imatrix.gguf", "m-Q5_K_M.gguf"];
  assert.equal(chooseGguf("o/m", files).reason, "the only .gguf file");
});

Deno.test("a named file is taken or nothing is", () => {
  assert.equal(chooseGguf("o/m", ["a.gguf", "sub/b.gguf"], file("sub/b.gguf")).file, "sub/b.gguf");
  assert.equal(
    refusal(["a.gguf", "mmproj.gguf"], file("b.gguf")),
    "Cannot serve b.gguf: o/m does not hold it; it holds a.gguf.",
  );
});

Deno.test("a quantization is found by its name, in any case, also as a folder", () => {
  const files = ["m-Q4_K_M.gguf", "m.q8_0.gguf", "m-UD-Q4_K_XL.gguf", "BF16/weights.gguf"];
  assert.equal(chooseGguf("o/m", files, quantization("q8_0")).file, "m.q8_0.gguf");
  assert.equal(chooseGguf("o/m", files, quantization("UD-Q4_K_XL")).file, "m-UD-Q4_K_XL.gguf");
  assert.equal(chooseGguf("o/m", files, quantization("bf16")).file, "BF16/weights.gguf");
  assert.equal(
    refusal(["m-Q4_K_M.gguf", "m-Q8_0.gguf"], quantization("Q4_K")),
    "Cannot serve Q4_K of o/m: no .gguf file is of this quantization; it holds m-Q4_K_M.gguf, " +
      "m-Q8_0.gguf.",
  );
  assert.equal(
    refusal(["a-Q8_0.gguf", "b-Q8_0.gguf"], quantization("Q8_0")),
    "Cannot choose Q8_0 of o/m: a-Q8_0.gguf and b-Q8_0.gguf are of this quantization; name one by " +
      "--gguf-file.",
  );
});

Deno.test("a file in pieces is refused, and passed over where another is whole", () => {
  const pieces = ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"];
  const advice = "join them by llama-gguf-split --merge and name the result by --model-id.";
  assert.equal(
    refusal(pieces),
    `Cannot serve m-Q8_0-00001-of-00002.gguf of o/m: it is split into 2 files; ${advice}`,
  );
  assert.equal(chooseGguf("o/m", [...pieces, "m-Q2_K.gguf"]).file, "m-Q2_K.gguf");
  for (const wanted of [quantization("Q8_0"), file(pieces[0] ?? "")]) {
    assert.equal(
      refusal([...pieces, "m-Q2_K.gguf"], wanted),
      "Cannot serve m-Q8_0-00001-of-00002.gguf of o/m: it is split into 2 files; choose one in " +
        `one piece (m-Q2_K.gguf), or ${advice}`,
    );
  }
});

Deno.test("names that leave the folder are never taken", () => {
  const files = ["../m.gguf", "/etc/m.gguf", "sub/../../m.gguf", ".m.gguf", "a\\b.gguf"];
  assert.equal(chooseGguf("o/m", [...files, "z.gguf"]).reason, "the only .gguf file");
});
