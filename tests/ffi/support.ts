/** What the tests of the bridge share: a core on the scripted backend, and sinks that collect. */

import { Engine } from "../../ffi/engine.ts";
import type {
  AcceptedRecord,
  DoneRecord,
  EngineConfig,
  FailedRecord,
  GeneratedRecord,
  GenerateJob,
  RequestSink,
  StepRecord,
  TokenRecord,
} from "../../ffi/types.ts";

/** A configuration of the scripted backend. */
export function scripted(changes: Partial<EngineConfig> = {}): EngineConfig {
  return {
    backend: "scripted",
    modelPath: null,
    dtype: null,
    maxInputTokens: null,
    maxTotalTokens: null,
    maxBatchPrefillTokens: null,
    maxBatchTotalTokens: null,
    maxBatchSize: null,
    maxConcurrentRequests: 128,
    prefixCaching: true,
    speculate: 0,
    validationWorkers: 2,
    pauseLimitMillis: 60_000,
    kvCacheDtype: null,
    threads: null,
    profile: "0.3.1",
    scripted: null,
    ...changes,
  };
}

/** A core that closes itself at the end of its block. */
export async function openEngine(
  changes: Partial<EngineConfig> = {},
): Promise<Engine & AsyncDisposable> {
  const engine = await Engine.open(scripted(changes));
  return Object.assign(engine, { [Symbol.asyncDispose]: () => engine.close() });
}

/** A job of `tokens` tokens that does not end before. */
export function job(
  inputs: string,
  tokens: number,
  parameters: GenerateJob["parameters"] = {},
): GenerateJob {
  return { inputs, parameters: { max_new_tokens: tokens, ignore_eos: true, ...parameters } };
}

/** Keeps the records of one request. */
export class Collector implements RequestSink {
  readonly accepts: AcceptedRecord[] = [];
  readonly prompt: TokenRecord[] = [];
  readonly tokens: GeneratedRecord[] = [];
  flushes = 0;
  /** Whether a poll ended between the last token and the end. */
  flushedBetween = false;
  #hasEnded = false;
  readonly #end = Promise.withResolvers<DoneRecord | FailedRecord>();
  readonly #waiting: { tokens: number; resolve: () => void }[] = [];

  /** The last record. */
  get end(): Promise<DoneRecord | FailedRecord> {
    return this.#end.promise;
  }

  /** The last record, which must tell of success. */
  async success(): Promise<DoneRecord> {
    const end = await this.end;
    if ("message" in end) throw new Error(`${end.kind}: ${end.message}`);
    return end;
  }

  /** The last record, which must tell of a failure. */
  async failure(): Promise<FailedRecord> {
    const end = await this.end;
    if ("message" in end) return end;
    throw new Error(`generated ${end.generatedTokens} tokens`);
  }

  /** Resolves once there are as many tokens. */
  seen(tokens: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ tokens, resolve });
    this.#wake();
    return promise;
  }

  accepted(record: AcceptedRecord): void {
    this.accepts.push(record);
  }

  prefill(tokens: readonly TokenRecord[]): void {
    this.prompt.push(...tokens);
  }

  token(record: GeneratedRecord): void {
    this.tokens.push(record);
    this.#wake();
  }

  done(record: DoneRecord): void {
    this.#hasEnded = true;
    this.#end.resolve(record);
  }

  failed(record: FailedRecord): void {
    this.#end.resolve(record);
  }

  flush(): void {
    this.flushes += 1;
    this.flushedBetween ||= !this.#hasEnded && this.tokens.at(-1)?.last === true;
  }

  #wake(): void {
    for (const { tokens, resolve } of this.#waiting) {
      if (this.tokens.length >= tokens) resolve();
    }
  }
}

/** Submits a job and collects its records. */
export function start(engine: Engine, job: GenerateJob): Collector & { readonly id: number } {
  const sink = new Collector();
  const id = engine.submit(job, sink);
  return Object.assign(sink, { id });
}

/** Resolves after an engine step for which `holds` is true. */
export function stepWhere(
  engine: Engine,
  holds: (step: StepRecord) => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.onStep = (step) => {
    if (holds(step)) resolve();
  };
  return promise;
}

/** Threads and open files of this process; `own` are the threads that the core has named. */
export function footprint(): { threads: number; own: number; files: number } {
  const names = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => threadName(name));
  return {
    threads: names.length,
    own: names.filter((name) => name.startsWith("tgi-")).length,
    files: [...Deno.readDirSync("/proc/self/fd")].length,
  };
}

/** Empty for a thread that has just ended. */
function threadName(id: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${id}/comm`);
  } catch {
    return "";
  }
}
