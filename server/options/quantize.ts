/** What the words of `--quantize` mean: ggml's own formats, and TGI's names for its kernels. */

/** Formats that the core quantizes weights to at load. */
export const FORMATS = [
  "q8_0",
  "q6_k",
  "q5_1",
  "q5_0",
  "q5_k",
  "q4_1",
  "q4_0",
  "q4_k",
] as const;

/** One of {@link FORMATS}. */
export type WeightFormat = (typeof FORMATS)[number];

/** TGI's names for 8 and 4 bits at load, and the nearest format here. */
const NEAREST = {
  bitsandbytes: "q8_0",
  eetq: "q8_0",
  fp8: "q8_0",
  "bitsandbytes-nf4": "q4_1",
  "bitsandbytes-fp4": "q4_1",
} as const satisfies Record<string, WeightFormat>;

/** TGI's names for checkpoints that are quantized already and are read here. */
const STORED = ["awq", "gptq", "marlin", "compressed-tensors"] as const;

/** TGI's names for checkpoints that are not. */
const UNREAD = ["exl2"] as const;

/** Every word that `--quantize` takes. */
export const QUANTIZE_CHOICES = [
  "none",
  ...FORMATS,
  ...Object.keys(NEAREST) as (keyof typeof NEAREST)[],
  ...STORED,
  ...UNREAD,
] as const;

/** A word of `--quantize`. */
export type Quantize = (typeof QUANTIZE_CHOICES)[number];

/** What the core is told. */
export interface Quantization {
  /** Null leaves weights as they are stored. */
  readonly format: WeightFormat | null;
  /** What the operator should know, one sentence. */
  readonly note?: string;
  /** Why it cannot be, one sentence. */
  readonly refusal?: string;
}

/** The meaning of a word. */
export function quantization(word: Quantize): Quantization {
  if (word === "none") return { format: null };
  const format = FORMATS.find((known) => known === word);
  if (format !== undefined) return { format };
  if (word in NEAREST) {
    const nearest = NEAREST[word as keyof typeof NEAREST];
    const note = `--quantize ${word} is for GPUs: weights are quantized to ${nearest}, the ` +
      "nearest format here.";
    return { format: nearest, note };
  }
  if (STORED.some((known) => known === word)) {
    const note = `--quantize ${word} changes nothing: a quantized checkpoint is known by its ` +
      "config.json, any other is served as it is stored.";
    return { format: null, note };
  }
  const refusal = `--quantize ${word} cannot be used: such checkpoints are not read here; take ` +
    "the model with float weights and --quantize q4_1, or a .gguf file.";
  return { format: null, refusal };
}
