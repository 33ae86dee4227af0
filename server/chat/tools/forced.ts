/** A turn that a grammar holds to calls, cut off wherever the length has it. */

import type { ChatDelta, DeltaReader } from "../delta.ts";
import { generic } from "./generic.ts";

/**
 * Reads the calls of the generic format, and nothing else: what is cut off before it shows its name
 * is no text for the client. Where there is one tool only, even that is its call.
 */
export class ForcedReader implements DeltaReader {
  readonly #calls: DeltaReader;
  #hasCalled = false;

  constructor(readonly tools: ReadonlySet<string>) {
    this.#calls = generic.reader(tools);
  }

  push(text: string): readonly ChatDelta[] {
    return this.#withoutText(this.#calls.push(text));
  }

  end(): readonly ChatDelta[] {
    const deltas = this.#withoutText(this.#calls.end());
    const [only, ...others] = this.tools;
    const isCertain = !this.#hasCalled && only !== undefined && others.length === 0;
    return isCertain ? [...deltas, { kind: "call", name: only }] : deltas;
  }

  #withoutText(deltas: readonly ChatDelta[]): readonly ChatDelta[] {
    this.#hasCalled ||= deltas.some(({ kind }) => kind === "call");
    return deltas.filter(({ kind }) => kind !== "content");
  }
}
