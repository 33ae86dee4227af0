/** Answers by the core in this process. */

import type {
  DoneRecord,
  FailedRecord,
  GeneratedRecord,
  RequestSink,
  TextEngine,
} from "../../ffi/types.ts";
import { errorOfFailure } from "../errors.ts";
import { type Answer, type Answerer, Stopwatch } from "./answer.ts";

/** Answers by `engine`, or by the adapter of it that has this place; null is the model itself. */
export function fromEngine(engine: TextEngine, adapter: number | null = null): Answerer {
  return async (question, onText, signal) => {
    const collector = new TextCollector(onText);
    const job = adapter === null ? question : { ...question, adapter };
    const id = engine.submit(job, collector);
    const stop = () => {
      engine.cancel(id);
      collector.stopped();
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await collector.answer.promise;
    } catch (error) {
      engine.cancel(id);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

/** Hands the text of a step on when its records are all there. */
class TextCollector implements RequestSink {
  readonly answer = Promise.withResolvers<Answer>();
  readonly #watch = new Stopwatch();
  readonly #onText: (text: string) => void;
  #promptTokens: number | null = null;
  #tokens = 0;
  #text = "";
  #pending = "";

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  accepted({ promptTokens }: { readonly promptTokens: number }): void {
    this.#promptTokens = promptTokens;
  }

  prefill(): void {}

  token({ token }: GeneratedRecord): void {
    this.#watch.token();
    this.#tokens += 1;
    if (!token.special) this.#pending += token.text;
  }

  /** The whole text may end with a character that its tokens left incomplete. */
  done({ generatedText, finishReason, seed }: DoneRecord): void {
    const told = this.#text + this.#pending;
    if (generatedText.startsWith(told)) this.#pending += generatedText.slice(told.length);
    this.flush();
    this.#end({ finishReason, seed });
  }

  failed(record: FailedRecord): void {
    this.flush();
    this.answer.reject(errorOfFailure(record));
  }

  flush(): void {
    if (this.#pending === "") return;
    this.#text += this.#pending;
    const piece = this.#pending;
    this.#pending = "";
    try {
      this.#onText(piece);
    } catch (error) {
      this.answer.reject(error);
    }
  }

  stopped(): void {
    this.#end({ finishReason: null, seed: null });
  }

  #end(ending: Pick<Answer, "finishReason" | "seed">): void {
    this.answer.resolve({
      text: this.#text,
      promptTokens: this.#promptTokens,
      generatedTokens: this.#tokens,
      ...ending,
      ...this.#watch.times(),
    });
  }
}
