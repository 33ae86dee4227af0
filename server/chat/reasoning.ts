/** Parts the reasoning of a turn from its answer, for models that think between two tags. */

import { overlap } from "./overlap.ts";
import { type ChatDelta, DeltaList, type DeltaReader } from "./delta.ts";

/** The tags around a model's reasoning. */
export interface ReasoningTags {
  readonly open: string;
  readonly close: string;
}

/** Of DeepSeek R1, Qwen3 and most others; of Mistral's. */
const KNOWN: readonly ReasoningTags[] = [
  { open: "<think>", close: "</think>" },
  { open: "[THINK]", close: "[/THINK]" },
];

/** The tags that a template names; null when the model does not reason. */
export function reasoningTags(template: string | null): ReasoningTags | null {
  return KNOWN.find(({ open, close }) => template?.includes(open) || template?.includes(close)) ??
    null;
}

/** Whether a prompt ends inside the reasoning: the template has opened it. */
export function opensReasoning(prompt: string, tags: ReasoningTags): boolean {
  return prompt.trimEnd().endsWith(tags.open);
}

/**
 * Splits a turn that begins with reasoning, or not at all. White space around the reasoning belongs
 * to the tags.
 */
export class ReasoningReader implements DeltaReader {
  #state: "start" | "inside" | "after" | "content";
  #held = "";
  #hasReasoned = false;
  readonly #out = new DeltaList();

  /** `inside`: the prompt has opened the reasoning. */
  constructor(readonly tags: ReasoningTags, inside: boolean) {
    this.#state = inside ? "inside" : "start";
  }

  push(text: string): readonly ChatDelta[] {
    for (const unit of text.split("")) this.#read(unit);
    return this.#out.take();
  }

  end(): readonly ChatDelta[] {
    if (this.#state === "start") this.#out.text("content", this.#held);
    if (this.#state === "inside") this.#out.text("reasoning", this.#held.trimEnd());
    this.#held = "";
    return this.#out.take();
  }

  #read(unit: string): void {
    switch (this.#state) {
      case "start":
        return this.#start(unit);
      case "inside":
        return this.#inside(unit);
      case "after":
        if (unit.trim() === "") return;
        this.#state = "content";
        return this.#out.text("content", unit);
      case "content":
        return this.#out.text("content", unit);
    }
  }

  #start(unit: string): void {
    this.#held += unit;
    const begun = this.#held.trimStart();
    if (begun === this.tags.open) {
      this.#held = "";
      this.#state = "inside";
    } else if (!this.tags.open.startsWith(begun)) {
      this.#out.text("content", this.#held);
      this.#held = "";
      this.#state = "content";
    }
  }

  #inside(unit: string): void {
    const { close } = this.tags;
    const text = this.#held + unit;
    if (text.endsWith(close)) {
      this.#reason(text.slice(0, -close.length).trimEnd());
      this.#held = "";
      this.#state = "after";
      return;
    }
    const certain = text.slice(0, text.length - overlap(text, close)).trimEnd();
    this.#reason(certain);
    this.#held = text.slice(certain.length);
  }

  #reason(text: string): void {
    const shown = this.#hasReasoned ? text : text.trimStart();
    if (shown !== "") this.#hasReasoned = true;
    this.#out.text("reasoning", shown);
  }
}
