/** What was said in a chat. */

import type { ChatMessage } from "../../ffi/types.ts";

/** Messages in turn: an optional system message, then user and assistant by turns. */
export class Conversation {
  #system: string | null;
  #turns: ChatMessage[] = [];

  constructor(system: string | null) {
    this.#system = system;
  }

  /** All messages, the system's first. */
  get messages(): readonly ChatMessage[] {
    const head = this.#system === null ? [] : [{ role: "system", content: this.#system }];
    return [...head, ...this.#turns];
  }

  get system(): string | null {
    return this.#system;
  }

  /** Replaces the system message; null is none. */
  set system(text: string | null) {
    this.#system = text;
  }

  /** Forgets everything but the system message. */
  clear(): void {
    this.#turns = [];
  }

  /** The user speaks. */
  ask(content: string): void {
    this.#turns.push({ role: "user", content });
  }

  /** The model has answered. */
  answer(content: string): void {
    this.#turns.push({ role: "assistant", content });
  }

  /** Takes back a question that got no answer. */
  unask(): void {
    if (this.#turns.at(-1)?.role === "user") this.#turns.pop();
  }

  /** Takes back the last answer, so that the question stands open; false when there is none. */
  reopen(): boolean {
    if (this.#turns.at(-1)?.role === "assistant") this.#turns.pop();
    return this.#turns.at(-1)?.role === "user";
  }

  /** As Markdown, one heading a message. */
  toMarkdown(): string {
    return this.messages.map(({ role, content }) => `## ${role}\n\n${content}\n`).join("\n");
  }
}
