/** What `/tokenize` needs of the core: a text as tokens, without a generation. */

import { TgiError } from "./errors.ts";

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

/** The tokenizer of a core that can only generate. */
export class NoTokenizer implements TextTokenizer {
  tokenize(): Promise<readonly TokenSpan[]> {
    const message = "This core cannot tokenize: it has no such job";
    return Promise.reject(new TgiError(501, "validation", message));
  }
}
