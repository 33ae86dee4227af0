/** Results on standard output: written whole and at once, failing in one sentence. */

import { StartError } from "../errors.ts";
import { isDiskFull } from "../model_source/verified_file.ts";

/** The reader has gone: there is nobody to write for, and nothing to say. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** Where bytes go. */
export interface ByteSink {
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

/** Writes text without a buffer of its own, so that each token is seen when it comes. */
export class TextOutput {
  readonly #sink: ByteSink;
  readonly #encoder = new TextEncoder();

  constructor(sink: ByteSink = Deno.stdout) {
    this.#sink = sink;
  }

  /** Whether a person reads it. */
  get isTerminal(): boolean {
    return this.#sink.isTerminal();
  }

  /**
   * @throws OutputClosed when the reader has gone; StartError when the text cannot be written.
   */
  write(text: string): void {
    const bytes = this.#encoder.encode(text);
    try {
      for (let at = 0; at < bytes.length;) at += this.#sink.writeSync(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      const reason = isDiskFull(error)
        ? "the disk is full; free some room, or write elsewhere"
        : error instanceof Error
        ? error.message
        : String(error);
      throw new StartError(`Cannot write to standard output: ${reason}.`, 1, { cause: error });
    }
  }
}
