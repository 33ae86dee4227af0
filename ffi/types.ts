/** What the server sees of the core: jobs in, records out. */

/** A token as clients see it. */
export interface TokenRecord {
  readonly id: number;
  /** Natural logarithm of the probability; `NaN` for the first prompt token. */
  readonly logprob: number;
  readonly special: boolean;
  /** Text that the token adds; empty while a character is incomplete. */
  readonly text: string;
}

/** The request is valid and queued. */
export interface AcceptedRecord {
  readonly promptTokens: number;
  readonly maxNewTokens: number;
  /** Time spent on tokenizing and checking, µs. */
  readonly validationMicros: number;
}

/** A generated token and, when asked for, the most likely ones at its place. */
export interface GeneratedRecord {
  /** 1 for the first generated token. */
  readonly index: number;
  /** Whether it ends its generation: the end follows, in this poll or the next. */
  readonly last: boolean;
  readonly token: TokenRecord;
  readonly top: readonly TokenRecord[];
}

/** TGI's finish reasons. */
export type FinishReason = "length" | "eos_token" | "stop_sequence";

/** The generation ended well; the last record of a request. */
export interface DoneRecord {
  readonly finishReason: FinishReason;
  /** All generated ids decoded together, special tokens left out. */
  readonly generatedText: string;
  /** The seed, when the request sampled. */
  readonly seed: bigint | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** From queued to first step, µs. */
  readonly queueMicros: number;
  /** From first step to first token, µs. */
  readonly prefillMicros: number;
  /** From first token to last, µs. */
  readonly decodeMicros: number;
}

/** Why a request failed in the core. */
export type FailureKind = "validation" | "generation" | "abandoned" | "incomplete" | "template";

/** The request failed; the last record of a request. */
export interface FailedRecord {
  readonly kind: FailureKind;
  readonly message: string;
}

/** What one engine step did. */
export interface StepRecord {
  readonly failed: boolean;
  readonly prefillTokens: number;
  readonly decodeSequences: number;
  readonly admitted: number;
  readonly running: number;
  readonly waiting: number;
  readonly maxTokens: number;
  readonly pagesUsed: number;
  readonly pagesCached: number;
  readonly acceptedTokens: number;
  readonly forwardMicros: number;
  readonly sampleMicros: number;
}

/**
 * Takes the records of one request, in order. `flush` follows once for each poll in which the
 * request had a record: a stream writes there, once a step.
 */
export interface RequestSink {
  accepted(record: AcceptedRecord): void;
  /** Prompt tokens with logprobs; may come in several pieces, all before the first token. */
  prefill(tokens: readonly TokenRecord[]): void;
  token(record: GeneratedRecord): void;
  done(record: DoneRecord): void;
  /** The prompt of a {@link ChatJob}; the only record of its request. */
  rendered?(prompt: string): void;
  failed(record: FailedRecord): void;
  flush(): void;
}

/** Generation parameters for the core, in TGI's names; absent or null is TGI's default. */
export interface JobParameters {
  do_sample?: boolean;
  temperature?: number | null;
  repetition_penalty?: number | null;
  frequency_penalty?: number | null;
  top_k?: number | null;
  top_p?: number | null;
  typical_p?: number | null;
  /** `null` fills up to the total limit. */
  max_new_tokens?: number | null;
  truncate?: number | null;
  stop?: readonly string[];
  /** u64, exact. */
  seed?: bigint | null;
  top_n_tokens?: number;
  decoder_input_details?: boolean;
  add_special_tokens?: boolean;
  /** Under a grammar: past every end that the grammar leaves open. */
  ignore_eos?: boolean;
  /** Every token keeps to it; one that is not valid or too large fails as `validation`. */
  grammar?: Grammar | null;
  /** TGI's watermark, with the numbers of `--watermark-gamma` and `--watermark-delta`. */
  watermark?: { readonly gamma: number; readonly delta: number } | null;
  /** Extension: least share of the best token's probability, 0 to 1; above 0 it samples. */
  min_p?: number | null;
  /** Extension: added to the logits of these token ids, -100 to 100; at most 1024 of them. */
  logit_bias?: Readonly<Record<string, number>>;
  /** Extension: OpenAI's, over the generated tokens; -2 to 2. */
  presence_penalty?: number | null;
  /** Extension: OpenAI's `frequency_penalty`, by count; `frequency_penalty` is TGI's. -2 to 2. */
  openai_frequency_penalty?: number | null;
  /** Extension: neither the end of sequence nor a stop sequence counts before. */
  min_new_tokens?: number;
  /** Extension: logprobs and top tokens of the model, before all warpers and the grammar. */
  raw_logprobs?: boolean;
  /** Extension: a stop sequence is found inside a token too, and the text is cut there. */
  stop_anywhere?: boolean;
  /** With `stop_anywhere`: whether the stop sequence stays in the text; it does when absent. */
  include_stop_str?: boolean;
}

/** A grammar for the core. */
export type Grammar =
  /** A schema as an object or as its JSON text; `json_object` without one is any object. */
  | { readonly type: "json_schema" | "json_object"; readonly value?: unknown }
  /** A regular expression that the whole text matches, or a Lark grammar that begins at `start`. */
  | { readonly type: "regex" | "lark"; readonly value: string }
  /** A Lark grammar over marks and schemas, as `core-rs/engine/src/grammar/composed.rs` has it. */
  | { readonly type: "composed"; readonly value: ComposedGrammar };

/** A text that is free but for what stands behind its marks. */
export interface ComposedGrammar {
  /** Begins at `start`; may use `TEXT`, `mark0`, `until0`, `@schema0` and on. */
  readonly lark: string;
  readonly schemas: readonly unknown[];
  /** Control tokens of these names, or texts where there are none. */
  readonly marks: readonly string[];
}

/** One generation. */
export interface GenerateJob {
  inputs: string;
  /** Prompt as token ids, taken as they are; then `inputs` is empty. */
  input_ids?: readonly number[];
  parameters: JobParameters;
  /** Cached prompts are shared only between jobs of equal salt; those without are one group. */
  cache_salt?: string;
  /** Place of the adapter that answers in {@link EngineConfig.adapters}; absent is the model. */
  adapter?: number;
}

/** One message of a conversation; templates may read further keys. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** Messages to write as a prompt, by the chat template of the model. */
export interface Conversation {
  readonly messages: readonly (ChatMessage | Readonly<Record<string, unknown>>)[];
  /** Functions that the model may call, as OpenAI describes them. */
  readonly tools?: readonly unknown[] | null;
  /** Whether the prompt ends with the head of the assistant's turn. */
  readonly add_generation_prompt: boolean;
  /** Further variables of the template; those above win. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** One rendering; `bos_token` and `eos_token` are the model's own. */
export interface ChatJob {
  chat: Conversation;
}

/** One tokenization; its answer is JSON, `[{"id","text","start","stop"}]`, bytes of the text. */
export interface TokenizeJob {
  tokenize: { readonly text: string; readonly add_special_tokens: boolean };
}

/** What the core does on request. */
export type Job = GenerateJob | ChatJob | TokenizeJob;

/** What computes: the processor, the first GPU, or the GPU of this number, from 0. */
export type Device = "cpu" | "cuda" | `cuda:${number}`;

/** How to open the core; null takes the default that the plan finds. */
export interface EngineConfig {
  backend: "candle" | "scripted" | "cpu" | "cuda";
  /** A `.gguf` file, or a folder of safetensors; null for the scripted backend. */
  modelPath: string | null;
  /** First byte of the model in that file, a multiple of 4,096; null is the whole file. */
  modelOffset?: number | null;
  /** Bytes of the model from there on. */
  modelLength?: number | null;
  device?: Device;
  /** Instruction set of the cpu backend; null is the fastest here, by the clock. */
  cpuIsa?: string | null;
  /** What weights of floats are rounded to at load, and what a GPU computes in; null is as stored. */
  dtype: "float32" | "float16" | "bfloat16" | null;
  /** What they are quantized to at load, by ggml's name; null is as stored. */
  quantize?: string | null;
  /** Number format of the KV cache. */
  kvCacheDtype: "auto" | "f16" | "int8" | null;
  /** Share of a GPU's memory that may be taken, above 0 to 1; null is all of it. */
  cudaMemoryFraction?: number | null;
  /** Whether a GPU must give a request the same bytes whatever else it computes. */
  batchInvariant?: boolean;
  /** Threads that compute. */
  threads: number | null;
  maxInputTokens: number | null;
  maxTotalTokens: number | null;
  maxBatchPrefillTokens: number | null;
  maxBatchTotalTokens: number | null;
  maxBatchSize: number | null;
  maxConcurrentRequests: number;
  prefixCaching: boolean;
  speculate: number;
  validationWorkers: number;
  /** A paused request is given up after this, ms. */
  pauseLimitMillis: number;
  profile: "0.3.1" | "3.3";
  /** LoRA adapters to load beside the model: names and folders. */
  adapters?: readonly { readonly id: string; readonly path: string }[];
  scripted: ScriptedConfig | null;
}

/** Behaviour of the scripted backend, for tests and for measuring what is not the model. */
export interface ScriptedConfig {
  /** KV pages of 32 tokens. */
  pages?: number;
  /** Longest sequence, tokens. */
  context?: number;
  /** Time of each step, µs. */
  stepMicros?: number;
  /** Further time for each token of a step, µs. */
  tokenMicros?: number;
}

/** What the core chose at load, from `tgi_stats`. */
export interface EngineInfo {
  readonly backend: string;
  /** `cpu` or `cuda`. */
  readonly device: string;
  /** Instruction set of the kernels. */
  readonly isa: string;
  /** Why that one. */
  readonly isaReason: string;
  readonly dtype: string;
  readonly architecture: string;
  readonly vocab: number;
  /** Positions that the model knows, tokens. */
  readonly context: number;
  readonly maxInputTokens: number;
  readonly maxTotalTokens: number;
  readonly maxBatchPrefillTokens: number;
  readonly maxBatchTotalTokens: number;
  readonly maxBatchSize: number;
  readonly batchInvariant: boolean;
  /** Source of the chat template; null without one. */
  readonly chatTemplateText: string | null;
  readonly plan: MemoryPlan;
}

/** Memory that was planned before it was taken, bytes. */
export interface MemoryPlan {
  readonly weightsBytes: number;
  readonly kvBytes: number;
  readonly kvBytesPerToken: number;
  readonly arenaBytes: number;
  readonly availableBytes: number;
}

/** What a configuration would take and serve, found without loading the weights. */
export interface Survey
  extends
    Omit<EngineInfo, "device" | "isaReason" | "chatTemplateText" | "vocab" | "batchInvariant"> {
  /** Whether the model has a chat template. */
  readonly chatTemplate: boolean;
  /** Why it cannot be carried out: one sentence that names the flag to change. */
  readonly problem: string | null;
}

/** A GPU as its driver shows it. */
export interface Gpu {
  /** As `--device` has it: `cuda:0`. */
  readonly device: string;
  /** The product's. */
  readonly name: string;
  /** `sm_90` for compute capability 9.0. */
  readonly isa: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the library can do on this machine, from `tgi_machine`. */
export interface Machine {
  /** Version of the library. */
  readonly version: string;
  /** What it can compute on. */
  readonly devices: readonly string[];
  /** GPUs that it could compute on. */
  readonly gpus: readonly Gpu[];
  /** Why there are none, where the driver says so. */
  readonly gpuProblem: string | null;
  readonly architecture: string;
  /** Threads that may run at a time. */
  readonly cores: number;
  /** Instructions that a backend can use and the processor has. */
  readonly features: readonly string[];
  /** Those that it lacks. */
  readonly missing: readonly string[];
  /** Instruction sets of the cpu backend that this processor has, the widest first. */
  readonly cpuIsas: readonly string[];
  /** Instruction set of the candle backend. */
  readonly candleIsa: string;
  /** What this process may still take. */
  readonly availableBytes: number;
}

/** What is known of some peers, from `tgi_presence`; one without a connection is in neither list. */
export interface Presence {
  /** Connected. */
  readonly here: readonly string[];
  /** Have closed their end. */
  readonly left: readonly string[];
}

/** The core as the server uses it. `ffi/engine.ts` is the only implementation. */
export interface TextEngine {
  readonly info: EngineInfo;
  /** Called for every engine step. */
  onStep: (step: StepRecord) => void;
  /** Queues a job and returns its id; the sink gets its records. */
  submit(job: Job, sink: RequestSink): number;
  /** Frees the request within one step; its sink gets nothing more. */
  cancel(id: number): void;
  pause(id: number): void;
  resume(id: number): void;
  /** Whether the engine's thread still runs. */
  readonly alive: boolean;
  /** Ends the poll loop, stops the core, unloads the library. Open requests get `incomplete`. */
  close(): Promise<void>;
}
