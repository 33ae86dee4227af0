/** What the text of an assistant's turn is made of. */

/** The next part of a turn. */
export type ChatDelta =
  | { readonly kind: "content" | "reasoning"; readonly text: string }
  /** A call of a tool begins. */
  | { readonly kind: "call"; readonly name: string }
  /** A piece of the arguments of the call that began last, JSON text. */
  | { readonly kind: "arguments"; readonly text: string };

/**
 * Reads a text that comes in pieces. What comes out in all does not depend on where the pieces were
 * cut: a reader looks at one character at a time.
 */
export interface DeltaReader {
  push(text: string): readonly ChatDelta[];
  /** The rest, once nothing follows. */
  end(): readonly ChatDelta[];
}

/** Gathers deltas; text of one kind after another becomes one. */
export class DeltaList {
  #deltas: ChatDelta[] = [];

  text(kind: "content" | "reasoning" | "arguments", text: string): void {
    if (text === "") return;
    const last = this.#deltas.at(-1);
    if (last?.kind === kind) this.#deltas.splice(-1, 1, { kind, text: last.text + text });
    else this.#deltas.push({ kind, text });
  }

  call(name: string): void {
    this.#deltas.push({ kind: "call", name });
  }

  /** What was gathered; the list is empty then. */
  take(): readonly ChatDelta[] {
    const deltas = this.#deltas;
    this.#deltas = [];
    return deltas;
  }
}
