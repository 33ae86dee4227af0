/** JSON of `/v1/completions`: choices, and the logprobs of OpenAI's first API. */

import { arrayJson, f32Json } from "../generation/wire.ts";
import type { CompletionPiece, LoggedToken } from "./completion_reader.ts";

/** Writes the pieces of one choice; `text_offset` counts on from piece to piece. */
export class CompletionWriter {
  #offset = 0;

  /** `topCount` is null without logprobs, else how many tokens `top_logprobs` shows. */
  constructor(readonly index: number, readonly topCount: number | null) {}

  /** A choice, whole or of a chunk. */
  choice(pieces: readonly CompletionPiece[]): string {
    const text = pieces.map((piece) => piece.text).join("");
    const reason = pieces.at(-1)?.finishReason ?? null;
    return `{"text":${JSON.stringify(text)},"index":${this.index},"logprobs":${
      this.#logprobs(pieces.flatMap((piece) => piece.tokens))
    },"finish_reason":${JSON.stringify(reason)}}`;
  }

  #logprobs(tokens: readonly LoggedToken[]): string {
    const { topCount } = this;
    if (topCount === null) return "null";
    const offsets = tokens.map(({ token }) => {
      const offset = this.#offset;
      this.#offset += token.text.length;
      return String(offset);
    });
    const texts = tokens.map(({ token }) => JSON.stringify(token.text));
    const logprobs = tokens.map(({ token }) => f32Json(token.logprob));
    const top = topCount === 0 ? "null" : arrayJson(tokens.map(topJson));
    return `{"tokens":${arrayJson(texts)},"token_logprobs":${arrayJson(logprobs)},` +
      `"top_logprobs":${top},"text_offset":${arrayJson(offsets)}}`;
  }
}

/** Tokens of one text share a key; the likeliest counts. The first prompt token has none. */
function topJson({ token, top }: LoggedToken): string {
  if (Number.isNaN(token.logprob)) return "null";
  const entries = new Map<string, string>();
  for (const { text, logprob } of [...top, token]) {
    if (!entries.has(text)) entries.set(text, `${JSON.stringify(text)}:${f32Json(logprob)}`);
  }
  return `{${[...entries.values()].join(",")}}`;
}
