/** A core in memory: the same words for every request, one a step, and faults on demand. */

import type {
  DoneRecord,
  EngineInfo,
  FailedRecord,
  FinishReason,
  GeneratedRecord,
  GenerateJob,
  Job,
  RequestSink,
  StepRecord,
  TextEngine,
  TokenRecord,
} from "../../ffi/types.ts";

const WORDS = [" one", " two", " three", " four", " five"];

/** Limits of the fake. */
export const info: EngineInfo = {
  backend: "fake",
  device: "cpu",
  isa: "none",
  isaReason: "the fastest",
  dtype: "float32",
  architecture: "fake",
  vocab: 100,
  context: 64,
  maxInputTokens: 32,
  maxTotalTokens: 64,
  maxBatchPrefillTokens: 64,
  maxBatchTotalTokens: 256,
  maxBatchSize: 8,
  batchInvariant: true,
  chatTemplateText: null,
  plan: { weightsBytes: 0, kvBytes: 0, kvBytesPerToken: 0, arenaBytes: 0, availableBytes: 0 },
};

/** A step in which nothing happened. */
export const emptyStep: StepRecord = {
  failed: false,
  prefillTokens: 0,
  decodeSequences: 0,
  admitted: 0,
  running: 0,
  waiting: 0,
  maxTokens: 0,
  pagesUsed: 0,
  pagesCached: 0,
  acceptedTokens: 0,
  forwardMicros: 0,
  sampleMicros: 0,
};

/** A request inside the fake. */
export interface FakeRequest {
  readonly id: number;
  readonly job: GenerateJob;
  readonly sink: RequestSink;
  readonly promptTokens: readonly string[];
  /** Text of each token so far. */
  readonly texts: string[];
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  isPaused: boolean;
  pauses: number;
}

/**
 * The prompt's words are its tokens. Words that steer: `<fail:n>` fails after n tokens,
 * `<incomplete:n>` and `<abandoned:n>` likewise, `<reject>` is refused by the core, `<eos:n>` and
 * `<stop:n>` end at token n, `<big>` makes tokens of 16 KiB.
 */
export class FakeEngine implements TextEngine {
  readonly info = info;
  readonly requests: FakeRequest[] = [];
  onStep: (step: StepRecord) => void = () => {};
  alive = true;
  /** What `submit` throws. */
  refusal: Error | null = null;
  /** Texts of the tokens that every request gets, then the end; null for the usual words. */
  reply: readonly string[] | null = null;
  #pumping = false;

  /** An automatic fake steps by itself; any other waits for {@link FakeEngine.step}. */
  constructor(readonly automatic = true) {}

  submit(job: Job, sink: RequestSink): number {
    if (this.refusal) throw this.refusal;
    if (!("inputs" in job)) throw new Error("The fake only generates");
    const id = this.requests.length;
    this.requests.push({
      id,
      job,
      sink,
      promptTokens: job.input_ids?.map((id) => `#${id}`) ?? job.inputs.split(" "),
      texts: [],
      state: "waiting",
      isPaused: false,
      pauses: 0,
    });
    this.#pump();
    return id;
  }

  cancel(id: number): void {
    this.requests[id]!.state = "cancelled";
  }

  pause(id: number): void {
    this.requests[id]!.isPaused = true;
    this.requests[id]!.pauses += 1;
  }

  resume(id: number): void {
    this.requests[id]!.isPaused = false;
    this.#pump();
  }

  close(): Promise<void> {
    this.alive = false;
    for (const request of this.requests.filter(isOpen)) {
      this.#fail(request, { kind: "incomplete", message: "" });
      request.sink.flush();
    }
    return Promise.resolve();
  }

  /** Advances every open request by one token. */
  step(): void {
    const active = this.requests.filter((request) => isOpen(request) && !request.isPaused);
    const admitted = active.filter((request) => request.state === "waiting");
    for (const request of active) this.#advance(request);
    for (const request of active) if (request.state !== "cancelled") request.sink.flush();
    const hasFailed = active.some((request) => request.state === "failed");
    this.onStep({
      ...emptyStep,
      failed: hasFailed,
      prefillTokens: admitted.reduce((sum, request) => sum + request.promptTokens.length, 0),
      decodeSequences: active.length - admitted.length,
      admitted: admitted.length,
      running: this.requests.filter(isOpen).length,
      forwardMicros: 2000,
      sampleMicros: 1000,
    });
  }

  #pump(): void {
    if (!this.automatic || this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(async () => {
      while (this.requests.some((request) => isOpen(request) && !request.isPaused)) {
        this.step();
        await Promise.resolve();
      }
      this.#pumping = false;
    });
  }

  #advance(request: FakeRequest): void {
    const { sink, job, promptTokens, texts } = request;
    const limit = job.parameters.max_new_tokens ?? info.maxTotalTokens - promptTokens.length;
    if (request.state === "waiting") {
      if (job.inputs.includes("<reject>")) {
        const message = "`inputs` must have less than 32 tokens. Given: 33";
        return this.#fail(request, { kind: "validation", message });
      }
      request.state = "running";
      sink.accepted({
        promptTokens: promptTokens.length,
        maxNewTokens: limit,
        validationMicros: 500,
      });
      if (job.parameters.decoder_input_details) sink.prefill(promptTokens.map(prefillToken));
    }
    for (const kind of ["fail", "incomplete", "abandoned"] as const) {
      if (wordCount(job.inputs, kind) !== texts.length) continue;
      const failure = kind === "fail" ? "generation" : kind;
      return this.#fail(request, { kind: failure, message: "scripted failure" });
    }
    texts.push(job.inputs.includes("<big>") ? "x".repeat(16384) : this.#textAt(texts.length));
    const isSaid = texts.length === this.reply?.length;
    const reason = isSaid ? "eos_token" : finishReason(job.inputs, texts.length, limit);
    sink.token(generated(texts, reason !== null, job.parameters.top_n_tokens ?? 0));
    if (reason === null) return;
    request.state = "done";
    sink.done(doneRecord(request, reason));
  }

  #textAt(place: number): string {
    return this.reply === null ? wordAt(place) : this.reply[place] ?? "";
  }

  #fail(request: FakeRequest, record: FailedRecord): void {
    request.state = "failed";
    request.sink.failed(record);
  }
}

function isOpen(request: FakeRequest): boolean {
  return request.state === "waiting" || request.state === "running";
}

function wordAt(place: number): string {
  return WORDS[place % WORDS.length]!;
}

/** The number in `<name:number>`. */
function wordCount(inputs: string, name: string): number | null {
  const match = new RegExp(`<${name}:(\\d+)>`).exec(inputs);
  return match ? Number(match[1]) : null;
}

function prefillToken(text: string, place: number): TokenRecord {
  return { id: place + 1, text, logprob: place === 0 ? NaN : -place / 2, special: false };
}

function generated(texts: readonly string[], last: boolean, topN: number): GeneratedRecord {
  const index = texts.length;
  const token = {
    id: 10 + index,
    text: texts.at(-1)!,
    logprob: Math.fround(-index / 10),
    special: false,
  };
  const top = Array.from({ length: topN }, (_, rank) => ({ ...token, id: token.id + rank }));
  return { index, last, token, top };
}

function finishReason(inputs: string, count: number, limit: number): FinishReason | null {
  if (count >= limit) return "length";
  if (count === wordCount(inputs, "eos")) return "eos_token";
  return count === wordCount(inputs, "stop") ? "stop_sequence" : null;
}

function doneRecord({ job, promptTokens, texts }: FakeRequest, reason: FinishReason): DoneRecord {
  return {
    finishReason: reason,
    generatedText: texts.join(""),
    seed: job.parameters.do_sample ? job.parameters.seed ?? 42n : null,
    promptTokens: promptTokens.length,
    cachedTokens: 0,
    generatedTokens: texts.length,
    draftedTokens: 0,
    acceptedTokens: 0,
    queueMicros: 3000,
    prefillMicros: 4000,
    decodeMicros: 6900,
  };
}
