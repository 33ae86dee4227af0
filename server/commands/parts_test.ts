import assert from "node:assert/strict";
import type { EngineInfo } from "../../ffi/types.ts";
import { type FlagValues, readSettings } from "../options.ts";
import { engineConfig, serverOptions } from "./parts.ts";

const INFO: EngineInfo = {
  backend: "candle",
  device: "cpu",
  isa: "avx2",
  isaReason: "the fastest",
  dtype: "float32",
  architecture: "llama",
  vocab: 10,
  context: 64,
  maxInputTokens: 63,
  maxTotalTokens: 64,
  maxBatchPrefillTokens: 32,
  maxBatchTotalTokens: 640,
  maxBatchSize: 8,
  batchInvariant: true,
  chatTemplateText: null,
  plan: { weightsBytes: 1, kvBytes: 1, kvBytesPerToken: 1, arenaBytes: 1, availableBytes: 1 },
};

function values(...args: string[]): FlagValues {
  const settings = readSettings(args, () => undefined, "1.2.3");
  assert.ok("values" in settings);
  return settings.values;
}

Deno.test("the core gets its limits, and null for what it shall find itself", () => {
  const config = engineConfig(values("--max-total-tokens", "99", "--pause-limit", "3"), {
    path: "/m.gguf",
  });
  assert.equal(config.modelPath, "/m.gguf");
  assert.equal(config.maxTotalTokens, 99);
  assert.equal(config.maxBatchTotalTokens, null);
  assert.equal(config.pauseLimitMillis, 3000);
  assert.equal(config.prefixCaching, true);
  assert.equal(config.scripted, null);
  assert.deepEqual([config.modelOffset, config.modelLength], [null, null]);
  assert.deepEqual([config.device, config.cpuIsa], ["cpu", null]);
});

Deno.test("the core gets the device and the number format that are named", () => {
  const dtype = (...args: string[]) => {
    const { device, dtype } = engineConfig(values(...args), { path: "/m.gguf" });
    return [device, dtype];
  };
  assert.deepEqual(dtype("--device", "cuda:1"), ["cuda:1", null]);
  assert.deepEqual(dtype("--device", "cuda", "--dtype", "float16"), ["cuda", "float16"]);
});

Deno.test("a model that is a part of a file is named with its range", () => {
  const part = { offset: 4096, length: 99 };
  const config = engineConfig(values("--cpu-isa", "avx2"), { path: "/tgi", part });
  assert.equal(config.modelPath, "/tgi");
  assert.deepEqual([config.modelOffset, config.modelLength], [4096, 99]);
  assert.equal(config.cpuIsa, "avx2");
});

Deno.test("the core gets a format of the KV cache that it has, and the threads", () => {
  const format = (...args: string[]) =>
    engineConfig(values(...args), { path: "/m.gguf" }).kvCacheDtype;
  assert.equal(format(), "auto");
  assert.equal(format("--kv-cache-dtype", "int8"), "int8");
  assert.equal(format("--kv-cache-dtype", "f16"), "f16");
  assert.equal(format("--kv-cache-dtype", "fp8_e5m2"), "auto");
  assert.equal(engineConfig(values("--threads", "3"), null).threads, 3);
  assert.equal(engineConfig(values(), null).threads, null);
});

Deno.test("the core is told how to hold weights in its own words", () => {
  const held = (...args: string[]) => {
    const { dtype, quantize } = engineConfig(values(...args), null);
    return [dtype, quantize];
  };
  assert.deepEqual(held(), [null, null]);
  assert.deepEqual(held("--dtype", "bfloat16"), ["bfloat16", null]);
  assert.deepEqual(held("--quantize", "q4_k"), [null, "q4_k"]);
  assert.deepEqual(held("--quantize", "bitsandbytes-nf4"), [null, "q4_1"]);
  assert.deepEqual(held("--quantize", "gptq"), [null, null]);
});

Deno.test("the scripted backend gets only what was given", () => {
  const config = engineConfig(values("--backend=scripted", "--scripted-pages=7"), null);
  assert.equal(config.backend, "scripted");
  assert.deepEqual(config.scripted, { pages: 7 });
});

Deno.test("the HTTP side is told the model, its commit and what computes", () => {
  const model = { path: "/m.gguf", origin: "", commit: "abc" };
  const options = serverOptions(values("--model-id", "o/m"), model, INFO, "1.2.3");
  assert.equal(options.version, "1.2.3");
  assert.equal(options.modelId, "o/m");
  assert.equal(options.modelSha, "abc");
  assert.equal(options.computeType, "cpu+candle");
  assert.equal(serverOptions(values(), null, INFO, "1.2.3").modelId, "scripted");
});

Deno.test("on a loopback address only its names are answered, elsewhere any", () => {
  const hosts = (...args: string[]) =>
    serverOptions(values(...args), null, INFO, "1.2.3").allowedHosts;
  assert.deepEqual(hosts(), ["localhost", "127.0.0.1", "[::1]"]);
  assert.deepEqual(hosts("--hostname=::1"), ["localhost", "127.0.0.1", "[::1]"]);
  assert.deepEqual(hosts("--hostname=127.0.0.2"), [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "127.0.0.2",
  ]);
  assert.equal(hosts("--hostname=0.0.0.0"), null);
  assert.deepEqual(hosts("--hostname=0.0.0.0", "--allowed-host=llm.example"), ["llm.example"]);
});

Deno.test("each switch that changes answers reaches the HTTP side, alone", () => {
  const switches = {
    disableGrammarSupport: "--disable-grammar-support",
    strict: "--strict",
    streamErrorsAsEvents: "--stream-errors-as-events",
  } as const;
  const none = serverOptions(values(), null, INFO, "1.2.3");
  for (const [name, flag] of Object.entries(switches)) {
    const options = serverOptions(values(flag), null, INFO, "1.2.3");
    assert.deepEqual({ ...options, [name]: false }, none);
    assert.equal(options[name as keyof typeof switches], true);
  }
});
