/** A text that a model gave to one prompt, whoever computed it. */

import type { FinishReason, JobParameters } from "../../ffi/types.ts";

/** The text and how it came about. */
export interface Answer {
  readonly text: string;
  /** Null when it was stopped from outside. */
  readonly finishReason: FinishReason | null;
  /** Null where nobody tells. */
  readonly promptTokens: number | null;
  readonly generatedTokens: number;
  readonly seed: bigint | null;
  /** From the question to the first token (TTFT), ms; null when there was none. */
  readonly firstTokenMillis: number | null;
  /** From the first token to the last, ms. */
  readonly decodeMillis: number;
}

/** A prompt and how to go on from it. */
export interface Question {
  readonly inputs: string;
  readonly parameters: JobParameters;
}

/**
 * Something that answers. `onText` gets each piece as it comes; what it throws ends the generation
 * and is thrown on. When `signal` aborts, the answer is what there is until then.
 */
export type Answerer = (
  question: Question,
  onText: (text: string) => void,
  signal: AbortSignal,
) => Promise<Answer>;

/** Takes the times of one answer. */
export class Stopwatch {
  readonly #asked: number;
  #first: number | null = null;
  #last: number | null = null;

  constructor(readonly now: () => number = () => performance.now()) {
    this.#asked = now();
  }

  /** A token came. */
  token(): void {
    this.#last = this.now();
    this.#first ??= this.#last;
  }

  times(): Pick<Answer, "firstTokenMillis" | "decodeMillis"> {
    if (this.#first === null || this.#last === null) {
      return { firstTokenMillis: null, decodeMillis: 0 };
    }
    return { firstTokenMillis: this.#first - this.#asked, decodeMillis: this.#last - this.#first };
  }
}

/** `42 tokens, 57.3 tok/s, first after 0.12 s`; the rate is that of the tokens after the first. */
export function speedLine(answer: Answer): string {
  const { generatedTokens, firstTokenMillis, decodeMillis } = answer;
  if (firstTokenMillis === null) return "no tokens";
  const rate = decodeMillis > 0
    ? `, ${((generatedTokens - 1) / decodeMillis * 1000).toFixed(1)} tok/s`
    : "";
  const tokens = generatedTokens === 1 ? "1 token" : `${generatedTokens} tokens`;
  return `${tokens}${rate}, first after ${(firstTokenMillis / 1000).toFixed(2)} s`;
}
