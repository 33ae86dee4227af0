/** One generation as a choice of `/v1/completions`. */

import type { DoneRecord, GeneratedRecord, TokenRecord } from "../../ffi/types.ts";
import type { PieceReader } from "../generation/pieces.ts";
import { openAiFinish } from "./reply.ts";

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
  readonly logprobs: boolean;
  /** The prompt's text; `tokens` takes it from the prompt's tokens. */
  readonly echo: string | "tokens" | null;
  /** The generated token is not shown: `max_tokens` is 0. */
  readonly promptOnly: boolean;
}

/** Reads records into pieces. */
export class CompletionReader implements PieceReader<CompletionPiece> {
  readonly #prompt: LoggedToken[] = [];
  #promptText: string;
  #text = "";

  constructor(readonly shape: CompletionShape) {
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
    if (this.shape.promptOnly) return this.#piece("", [], null);
    return this.#piece(shown, this.shape.logprobs ? [{ token, top }] : [], null);
  }

  done(record: DoneRecord): readonly CompletionPiece[] {
    if (this.shape.promptOnly) return this.#piece("", [], "length");
    return this.#piece(this.#unseen(record), [], openAiFinish(record.finishReason));
  }

  /** What the tokens did not show: a character that never became whole. */
  #unseen({ generatedText }: DoneRecord): string {
    return generatedText.startsWith(this.#text) ? generatedText.slice(this.#text.length) : "";
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
