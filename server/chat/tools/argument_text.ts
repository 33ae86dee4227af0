/** The arguments of a call while a model writes them, as the JSON text that a client gets. */

import type { DeltaList } from "../delta.ts";
import { JsonWalk, type Progress } from "./json_text.ts";

/** Reads the value of a call's arguments, and tells it piece by piece. */
export interface ArgumentText {
  push(unit: string): Progress;
}

/** An object or array: told as it is, without white space between its parts. */
export class PlainArguments implements ArgumentText {
  readonly #walk = new JsonWalk();

  constructor(readonly out: DeltaList) {}

  push(unit: string): Progress {
    const { inString } = this.#walk;
    const progress = this.#walk.push(unit);
    if (progress !== "broken" && (inString || unit.trim() !== "")) this.out.text("arguments", unit);
    return progress;
  }
}

/** A JSON string that holds the object, as some models write it; empty it means none. */
export class QuotedArguments implements ArgumentText {
  /** From its opening quote on. */
  #isOpen = false;
  #escape = "";
  /** The first half of a character, which no piece may end with. */
  #half = "";
  #inString = false;
  #isEscaped = false;
  #isEmpty = true;

  constructor(readonly out: DeltaList) {}

  push(unit: string): Progress {
    if (!this.#isOpen) {
      this.#isOpen = true;
      return "open";
    }
    if (this.#escape !== "" || unit === "\\") return this.#unescape(unit);
    if (unit !== '"') return this.#tell(unit);
    if (this.#isEmpty) this.out.text("arguments", "{}");
    return "whole";
  }

  #unescape(unit: string): Progress {
    this.#escape += unit;
    const length = this.#escape[1] === "u" ? 6 : 2;
    if (this.#escape.length < length) return "open";
    const escape = this.#escape;
    this.#escape = "";
    try {
      return this.#tell(String(JSON.parse(`"${escape}"`)));
    } catch {
      return "broken";
    }
  }

  /** Takes a unit of the text inside. */
  #tell(unit: string): Progress {
    const shown = this.#inString || unit.trim() !== "";
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.#inString && unit === "\\") this.#isEscaped = true;
    else if (unit === '"') this.#inString = !this.#inString;
    if (!shown) return "open";
    this.#isEmpty = false;
    const text = this.#half + unit;
    const isHalf = /^[\ud800-\udbff]$/.test(text);
    this.#half = isHalf ? text : "";
    if (!isHalf) this.out.text("arguments", text);
    return "open";
  }
}
