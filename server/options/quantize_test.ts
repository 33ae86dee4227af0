import assert from "node:assert/strict";
import { FORMATS, quantization, QUANTIZE_CHOICES } from "./quantize.ts";

Deno.test("our own formats are taken as they are, without a word", () => {
  for (const format of FORMATS) assert.deepEqual(quantization(format), { format });
  assert.deepEqual(quantization("none"), { format: null });
});

Deno.test("TGI's formats for GPUs become the nearest one, and the operator is told", () => {
  assert.equal(quantization("bitsandbytes-nf4").format, "q4_1");
  for (const word of ["bitsandbytes", "eetq", "fp8"] as const) {
    const { format, note } = quantization(word);
    assert.equal(format, "q8_0");
    assert.match(note ?? "", new RegExp(`^--quantize ${word} is for GPUs: .* to q8_0`));
  }
});

Deno.test("names of quantized checkpoints change nothing, and the operator is told", () => {
  for (const word of ["awq", "gptq", "marlin", "compressed-tensors"] as const) {
    const { format, note, refusal } = quantization(word);
    assert.deepEqual([format, refusal], [null, undefined]);
    assert.match(
      note ?? "",
      /changes nothing: a quantized checkpoint is known by its config\.json/,
    );
  }
});

Deno.test("checkpoints that are not read are refused with what to use", () => {
  const { refusal } = quantization("exl2");
  assert.match(refusal ?? "", /cannot be used: .* --quantize q4_1, or a \.gguf/);
});

Deno.test("no word is there twice, and each of TGI's 3.3 is there", () => {
  assert.equal(new Set(QUANTIZE_CHOICES).size, QUANTIZE_CHOICES.length);
  const tgis = "awq compressed-tensors eetq exl2 gptq marlin bitsandbytes bitsandbytes-nf4 " +
    "bitsandbytes-fp4 fp8";
  const known: readonly string[] = QUANTIZE_CHOICES;
  for (const word of tgis.split(" ")) assert.ok(known.includes(word), word);
});
