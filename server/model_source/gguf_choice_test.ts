import assert from "node:assert/strict";
import { StartError } from "../errors.ts";
import { chooseGguf, piecesOf } from "./gguf_choice.ts";

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
    files: ["weights.gguf"],
    reason: "the only .gguf file",
  });
});

Deno.test("of several files the preferred quantization is taken, and why is told", () => {
  const files = ["m.Q2_K.gguf", "m.Q8_0.gguf", "m-q4_k_m.gguf", "m.Q4_K_S.gguf"];
  assert.deepEqual(chooseGguf("o/m", files), {
    file: "m-q4_k_m.gguf",
    files: ["m-q4_k_m.gguf"],
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

const PIECES = [1, 2].map((number) => `m-Q8_0-0000${number}-of-00002.gguf`);

Deno.test("a model in pieces is taken with all of them, whichever is named", () => {
  const [first = "", second = ""] = PIECES;
  const choice = { file: first, files: PIECES };
  const reason = "the only .gguf file, 2 files";
  assert.deepEqual(chooseGguf("o/m", PIECES.toReversed()), { ...choice, reason });
  const files = [...PIECES, "m-Q2_K.gguf", "m-Q3_K_M-00001-of-00002.gguf"];
  for (const wanted of [undefined, quantization("q8_0"), file(first), file(second)]) {
    const { reason, ...rest } = chooseGguf("o/m", files, wanted);
    assert.deepEqual(rest, choice);
    assert.match(reason, /, 2 files$/);
  }
  assert.equal(chooseGguf("o/m", files, quantization("Q2_K")).file, "m-Q2_K.gguf");
});

Deno.test("a model in pieces of which one is missing is refused", () => {
  const told = "Cannot serve m-Q8_0-00001-of-00002.gguf of o/m: it is split into 2 files, and ";
  for (const [index, piece] of PIECES.entries()) {
    const lost = `${told}${PIECES[1 - index]} is not there; fetch all of them.`;
    assert.equal(refusal([piece]), lost);
    assert.equal(refusal([piece, "m-Q2_K.gguf"], quantization("Q8_0")), lost);
  }
  assert.match(
    refusal(["m-00007-of-99999.gguf"]),
    /99999 files, and m-00001-of-99999\.gguf is not there, nor are 99997 others; fetch all/,
  );
});

Deno.test("the pieces of a file are named in order, and only of a piece", () => {
  assert.deepEqual(piecesOf("a/m-00003-of-00002.gguf"), [
    "a/m-00001-of-00002.gguf",
    "a/m-00002-of-00002.gguf",
  ]);
  for (const name of ["m.gguf", "m-1-of-2.gguf", "m-00001-of-00000.gguf"]) {
    assert.deepEqual(piecesOf(name), [name]);
  }
});

Deno.test("names that leave the folder are never taken", () => {
  const files = ["../m.gguf", "/etc/m.gguf", "sub/../../m.gguf", ".m.gguf", "a\\b.gguf"];
  assert.equal(chooseGguf("o/m", [...files, "z.gguf"]).reason, "the only .gguf file");
});
