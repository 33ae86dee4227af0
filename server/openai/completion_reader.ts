/** One generation as a choice of `/v1/completions`. */

import type { DoneRecord, GeneratedRecord, TokenRecord } from "../../ffi/types.ts";
import type { PieceReader } from "../generation/pieces.ts";
import { openAiFinish } from "./reply.ts";
import { StopText } from "./stop_text.ts";

/** A token with those that were as likely at its place. */
export interface LoggedToken {
  readonly token: TokenRecord;
  readonly top: readonly TokenRecord[];
}

/** A part of a choice. */
export interface CompletionPiece {
  readonly text: string;
  /** Empty unless logprobs were asked for. */
  readonly tokens: readonly LoggedToken[];
  /** In the last piece. */
  readonly finishReason: "stop" | "length" | null;
}

/** What a choice shows. */
export interface CompletionShape {
  readonly stops: readonly string[];
  readonly includeStop: boolean;
  readonly logprobs: boolean;
  /** The prompt's text; `tokens` takes it from the prompt's tokens. */
  readonly echo: string | "tokens" | null;
  /** The generated token is not shown: `max_tokens` is 0. */
  readonly promptOnly: boolean;
}

/** Reads records into pieces. */
export class CompletionReader implements PieceReader<CompletionPiece> {
  readonly #stop: StopText;
  readonly #prompt: LoggedToken[] = [];
  #promptText: string;
  #text = "";

  constructor(readonly shape: CompletionShape) {
    this.#stop = new StopText(shape.stops, shape.includeStop);
    this.#promptText = shape.echo === "tokens" ? "" : shape.echo ?? "";
  }

  prefill(tokens: readonly TokenRecord[]): void {
    const { echo, logprobs } = this.shape;
    if (echo === null) return;
    if (echo === "tokens") this.#promptText += tokens.map(({ text }) => text).join("");
    if (logprobs) this.#prompt.push(...tokens.map((token) => ({ token, top: [token] })));
  }

  token({ token, top }: GeneratedRecord): readonly CompletionPiece[] {
    const shown = token.special ? "" : token.text;
    this.#text += shown;
    const isHidden = this.shape.promptOnly || this.#stop.stopped;
    const logged = this.shape.logprobs && !isHidden ? [{ token, top }] : [];
    return this.#piece(isHidden ? "" : this.#stop.push(shown), logged, null);
  }

  done(record: DoneRecord): readonly CompletionPiece[] {
    const text = this.shape.promptOnly ? "" : this.#stop.push(this.#unseen(record)) + this.#rest();
    const reason = this.shape.promptOnly
      ? "length"
      : openAiFinish(record.finishReason, this.#stop.stopped);
    return this.#piece(text, [], reason);
  }

  /** What the tokens did not show: a character that never became whole. */
  #unseen({ generatedText }: DoneRecord): string {
    return generatedText.startsWith(this.#text) ? generatedText.slice(this.#text.length) : "";
  }

  #rest(): string {
    return this.#stop.stopped ? "" : this.#stop.end();
  }

  /** The prompt comes with the first piece. */
  #piece(
    text: string,
    tokens: readonly LoggedToken[],
    finishReason: CompletionPiece["finishReason"],
  ): readonly CompletionPiece[] {
    const echoed = this.#promptText + text;
    const all = [...this.#prompt.splice(0), ...tokens];
    this.#promptText = "";
    if (echoed === "" && all.length === 0 && finishReason === null) return [];
    return [{ text: echoed, tokens: all, finishReason }];
  }
}
