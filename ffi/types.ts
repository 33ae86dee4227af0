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
export type FailureKind = "validation" | "generation" | "abandoned" | "incomplete";

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
  ignore_eos?: boolean;
  /** The prompt's ids; `inputs` is empty then. */
  input_ids?: readonly number[];
  /** Keeps tokens at least this likely, as a part of the likeliest. */
  min_p?: number | null;
  /** Added to the logits, by token id. */
  logit_bias?: Readonly<Record<string, number>>;
  /** OpenAI's: taken off the logits of tokens generated so far, once each. */
  presence_penalty?: number | null;
  /** OpenAI's: taken off the logits of tokens generated so far, once for each time. */
  openai_frequency_penalty?: number | null;
  /** The end-of-sequence token is out of reach before so many tokens. */
  min_new_tokens?: number | null;
  /** Report logprobs of the model, before any warper. */
  raw_logprobs?: boolean;
  /** A stop text counts wherever it ends, also inside a token. */
  stop_anywhere?: boolean;
  /** Whether the stop text stays in the generated text. */
  include_stop_str?: boolean;
  watermark?: boolean;
  grammar?: JobGrammar | null;
}

/** What the generated text must follow. */
export type JobGrammar =
  | { readonly type: "json_schema"; readonly value: unknown }
  | { readonly type: "json_object" }
  | { readonly type: "regex"; readonly value: string }
  | { readonly type: "lark"; readonly value: string };

/** One generation. */
export interface GenerateJob {
  inputs: string;
  parameters: JobParameters;
}

/** How to open the core; null takes the default that the plan finds. */
export interface EngineConfig {
  backend: "candle" | "scripted" | "cpu";
  /** A `.gguf` file; null for the scripted backend. */
  modelPath: string | null;
  dtype: "float32" | null;
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
  readonly device: string;
  /** Instruction set of the kernels. */
  readonly isa: string;
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

/** The core as the server uses it. `ffi/engine.ts` is the only implementation. */
export interface TextEngine {
  readonly info: EngineInfo;
  /** Called for every engine step. */
  onStep: (step: StepRecord) => void;
  /** Queues a job and returns its id; the sink gets its records. */
  submit(job: GenerateJob, sink: RequestSink): number;
  /** Frees the request within one step; its sink gets nothing more. */
  cancel(id: number): void;
  pause(id: number): void;
  resume(id: number): void;
  /** Whether the engine's thread still runs. */
  readonly alive: boolean;
  /** Ends the poll loop, stops the core, unloads the library. Open requests get `incomplete`. */
  close(): Promise<void>;
}
