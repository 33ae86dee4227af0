/** What `/tokenize` needs of the core: a text as tokens, without a generation. */

/** A token of a text. */
export interface TokenSpan {
  readonly id: number;
  /** The text that it stands for; empty for one that the tokenizer added. */
  readonly text: string;
  /** UTF-8 bytes of the text before it. */
  readonly start: number;
  /** UTF-8 bytes of the text up to its end. */
  readonly stop: number;
}

/** Makes texts into tokens. */
export interface TextTokenizer {
  /** Resolves with the tokens; `addSpecialTokens` adds those that open or close every prompt. */
  tokenize(text: string, addSpecialTokens: boolean): Promise<readonly TokenSpan[]>;
}
