/** Llama 3.2, Llama 4 and OLMo: the turn is a Python list, `[name(key=value), …]`. */

import { type ChatDelta, DeltaList, type DeltaReader } from "../delta.ts";
import type { ToolFormat } from "./format.ts";
import { pythonicGrammar } from "./python_grammar.ts";
import { readArgument } from "./python_argument.ts";

/** https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/ */
export const pythonic: ToolFormat = {
  name: "pythonic",
  matches: (template) =>
    template.includes("<|python_start|>") || /\[\s*func_name1\(params_name1=/.test(template),
  markers: [],
  reader: (tools) => new PythonicReader(tools),
  grammar: pythonicGrammar,
};

/** Pairs of brackets. */
const CLOSING: Readonly<Record<string, string>> = { "[": "]", "(": ")", "{": "}" };

/** What may become the first call of a list, and the next one or the end. */
const FIRST = /^\s*(?:\[\s*(?:[A-Za-z_][\w.]*)?)?$/;
const NEXT = /^\s*(?:,\s*(?:[A-Za-z_][\w.]*)?)?$/;

/**
 * Reads a turn that is one list of calls, or no call at all. The first call begins with its first
 * argument, or its end; from then on it is a list, told argument by argument, and where it cannot
 * be read any more, all that follows is content.
 */
class PythonicReader implements DeltaReader {
  #state: "first" | "arguments" | "next" | "after" | "text" = "first";
  /** Text whose meaning is open. */
  #held = "";
  /** Name of the first call until it begins, and the text up to its arguments. */
  #name: string | null = null;
  #opening = "";
  #hasArguments = false;
  /** Brackets that are open in the argument. */
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
    // What is cut off in a list that has begun is the beginning of an argument or of a call.
    const isCut = this.#state === "next" || (this.#state === "arguments" && this.#name === null);
    if (!isCut) this.#giveUp();
    return this.#out.take();
  }

  #read(unit: string): void {
    switch (this.#state) {
      case "first":
        return this.#first(unit);
      case "arguments":
        return this.#argument(unit);
      case "next":
        return this.#next(unit);
      case "after":
        if (unit.trim() === "") return;
        this.#state = "text";
        return this.#out.text("content", unit);
      case "text":
        return this.#out.text("content", unit);
    }
  }

  /** Until the first parenthesis tells whether the list begins with a call of a given tool. */
  #first(unit: string): void {
    this.#held += unit;
    const name = /^\s*\[\s*([A-Za-z_][\w.]*)\($/.exec(this.#held)?.[1];
    if (name !== undefined && this.tools.has(name)) {
      this.#name = name;
      this.#opening = this.#held;
      this.#open();
    } else if (!FIRST.test(this.#held)) {
      this.#giveUp();
    }
  }

  /** Behind a call. */
  #next(unit: string): void {
    this.#held += unit;
    const name = /^\s*,\s*([A-Za-z_][\w.]*)\($/.exec(this.#held)?.[1];
    if (name !== undefined) {
      this.#out.call(name);
      return this.#open();
    }
    if (/^\s*,?\s*\]$/.test(this.#held)) {
      this.#held = "";
      this.#state = "after";
    } else if (!NEXT.test(this.#held)) {
      this.#giveUp();
    }
  }

  /** The parenthesis of a call. */
  #open(): void {
    this.#held = "";
    this.#hasArguments = false;
    this.#state = "arguments";
  }

  #argument(unit: string): void {
    const isOutside = this.#quote === null && this.#closing.length === 0;
    if (isOutside && (unit === "," || unit === ")")) return this.#endArgument(unit);
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
    else if (/[\])}]/.test(unit) && this.#closing.pop() !== unit) this.#giveUp();
  }

  #endArgument(unit: "," | ")"): void {
    const isNone = unit === ")" && this.#held.trim() === "";
    const read = isNone ? "" : readArgument(this.#held);
    if (read === null) {
      this.#held += unit;
      return this.#giveUp();
    }
    if (this.#name !== null) this.#out.call(this.#name);
    this.#name = null;
    this.#held = "";
    const before = this.#hasArguments ? (isNone ? "" : ",") : "{";
    this.#hasArguments = true;
    this.#out.text("arguments", before + read + (unit === ")" ? "}" : ""));
    if (unit === ")") this.#state = "next";
  }

  #giveUp(): void {
    this.#out.text("content", (this.#name === null ? "" : this.#opening) + this.#held);
    this.#name = null;
    this.#held = "";
    this.#state = "text";
  }
}
