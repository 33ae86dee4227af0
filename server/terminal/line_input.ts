/** Lines that a person types, or that come through a pipe. */

import { createInterface } from "node:readline";
import process from "node:process";

/** What came of asking for a line. */
export type Typed =
  | { readonly kind: "line"; readonly text: string }
  /** Ctrl-C at an empty line. */
  | { readonly kind: "interrupt" }
  | { readonly kind: "end" };

/** Gives lines one by one. */
export interface LineInput extends AsyncDisposable {
  /** Whether a person types: only then are prompts shown. */
  readonly isTerminal: boolean;
  next(prompt: string): Promise<Typed>;
}

/** Lines of standard input; a terminal gets editing keys and recalls earlier lines. */
export function lineInput(): LineInput {
  return Deno.stdin.isTerminal() ? new TerminalInput() : new PipeInput();
}

/**
 * Raw mode lasts only while a line is typed: during an answer Ctrl-C is a signal as everywhere.
 */
class TerminalInput implements LineInput {
  readonly isTerminal = true;
  #history: string[] = [];

  next(prompt: string): Promise<Typed> {
    const { promise, resolve } = Promise.withResolvers<Typed>();
    const line = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: this.#history,
      prompt,
    });
    let typed: Typed = { kind: "end" };
    line.on("history", (history: string[]) => {
      this.#history = [...history];
    });
    line.on("line", (text) => {
      typed = { kind: "line", text };
      line.close();
    });
    line.on("SIGINT", () => {
      if (line.line !== "") return line.write(null, { ctrl: true, name: "u" });
      typed = { kind: "interrupt" };
      line.close();
    });
    line.on("close", () => resolve(typed));
    line.prompt();
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Lines of a pipe or a file. */
class PipeInput implements LineInput {
  readonly isTerminal = false;
  readonly #reader = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
  #rest = "";
  #ended = false;

  async next(): Promise<Typed> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) return this.#take(end, end + 1);
      if (this.#ended) {
        return this.#rest === "" ? { kind: "end" } : this.#take(this.#rest.length, undefined);
      }
      const { done, value } = await this.#reader.read();
      if (done) this.#ended = true;
      else this.#rest += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }

  #take(end: number, next: number | undefined): Typed {
    const text = this.#rest.slice(0, end).replace(/\r$/, "");
    this.#rest = next === undefined ? "" : this.#rest.slice(next);
    return { kind: "line", text };
  }
}
