/** Llama 3.2, Llama 4 and OLMo: the turn is a Python list, `[name(key=value), …]`. */

import { type ChatDelta, DeltaList, type DeltaReader } from "../delta.ts";
import type { ToolFormat } from "./format.ts";
import { readCalls } from "./python_calls.ts";

/** https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/ */
export const pythonic: ToolFormat = {
  name: "pythonic",
  matches: (template) =>
    template.includes("<|python_start|>") || /\[\s*func_name1\(params_name1=/.test(template),
  markers: [],
  reader: (tools) => new PythonicReader(tools),
};

/** Pairs of brackets. */
const CLOSING: Readonly<Record<string, string>> = { "[": "]", "(": ")", "{": "}" };

/** The beginning of a list whose first item may be a call. */
const BEGINNING = /^\s*\[\s*(?:[A-Za-z_][\w.]*)?$/;

/** Reads a turn that is one list of calls, or no call at all. */
class PythonicReader implements DeltaReader {
  #state: "start" | "list" | "after" | "text" = "start";
  #held = "";
  #closing: string[] = [];
  #quote: string | null = null;
  #escaped = false;
  readonly #out = new DeltaList();

  constructor(readonly tools: ReadonlySet<string>) {}

  push(text: string): readonly ChatDelta[] {
    for (const unit of text.split("")) this.#read(unit);
    return this.#out.take();
  }

  end(): readonly ChatDelta[] {
    this.#out.text("content", this.#held);
    this.#held = "";
    return this.#out.take();
  }

  #read(unit: string): void {
    switch (this.#state) {
      case "start":
        return this.#start(unit);
      case "list":
        return this.#list(unit);
      case "after":
        if (unit.trim() === "") return;
        this.#state = "text";
        return this.#out.text("content", unit);
      case "text":
        return this.#out.text("content", unit);
    }
  }

  /** Until the first parenthesis tells whether the list begins with a call of a given tool. */
  #start(unit: string): void {
    const text = this.#held + unit;
    const name = /^\s*\[\s*([A-Za-z_][\w.]*)\($/.exec(text)?.[1];
    this.#held = text;
    if (name !== undefined && this.tools.has(name)) {
      this.#state = "list";
      this.#closing = ["]", ")"];
    } else if (text.trim() !== "" && !BEGINNING.test(text)) {
      this.#giveUp();
    }
  }

  #list(unit: string): void {
    this.#held += unit;
    if (this.#quote !== null) {
      if (this.#escaped) this.#escaped = false;
      else if (unit === "\\") this.#escaped = true;
      else if (unit === this.#quote) this.#quote = null;
      return;
    }
    const closing = CLOSING[unit];
    if (unit === '"' || unit === "'") this.#quote = unit;
    else if (closing !== undefined) this.#closing.push(closing);
    else if (unit === "]" || unit === ")" || unit === "}") this.#close(unit);
  }

  #close(unit: string): void {
    if (this.#closing.pop() !== unit) return this.#giveUp();
    if (this.#closing.length > 0) return;
    const calls = readCalls(this.#held);
    if (calls === null) return this.#giveUp();
    for (const call of calls) this.#out.call(call);
    this.#held = "";
    this.#state = "after";
  }

  #giveUp(): void {
    this.#out.text("content", this.#held);
    this.#held = "";
    this.#state = "text";
  }
}
