/** One call as a JSON object, told while a model writes it. */

import type { DeltaList } from "../delta.ts";
import { isObject } from "../messages.ts";
import { type ArgumentText, PlainArguments, QuotedArguments } from "./argument_text.ts";
import { exactObject, JsonWalk, type Progress } from "./json_text.ts";

/** Keys of the arguments: the usual one, and Llama's. */
const ARGUMENTS: ReadonlySet<string | null> = new Set(["arguments", "parameters"]);

/** A call that is being read. */
export interface OpenCall {
  /** Whether it was told that there is a call; before that, all may turn out to be none. */
  readonly hasBegun: boolean;
  push(unit: string): Progress;
}

/**
 * `{"name", "arguments"}`, or the same inside OpenAI's `{"function"}`. The call begins with the name
 * of a given tool; any other object is told when it is whole, and only if `isMarked` as a call.
 */
export class CallObject implements OpenCall {
  readonly #walk = new JsonWalk();
  #text = "";
  #hasArguments = false;
  #arguments: ArgumentText | null = null;
  /** Whether its arguments come before its name. */
  #isReversed = false;
  hasBegun = false;

  constructor(
    readonly tools: ReadonlySet<string>,
    readonly isMarked: boolean,
    readonly out: DeltaList,
  ) {}

  push(unit: string): Progress {
    if (this.#arguments !== null) return this.#argument(this.#arguments, unit);
    if (this.#beginsArguments(unit)) {
      this.#hasArguments = true;
      this.#arguments = unit === '"' ? new QuotedArguments(this.out) : new PlainArguments(this.out);
      return this.#argument(this.#arguments, unit);
    }
    if (!this.hasBegun) this.#text += unit;
    const { key } = this.#walk;
    const progress = this.#walk.push(unit);
    const name = this.#walk.closedString;
    if (this.#isAtCall()) {
      this.#isReversed ||= !this.hasBegun && ARGUMENTS.has(key);
      const isName = key === "name" && name !== null && this.tools.has(name);
      if (isName && !this.#isReversed) this.#begin(name);
    }
    return progress === "whole" ? this.#end() : progress;
  }

  #argument(value: ArgumentText, unit: string): Progress {
    const progress = value.push(unit);
    if (progress !== "whole") return progress;
    this.#arguments = null;
    this.#walk.passValue();
    return "open";
  }

  #beginsArguments(unit: string): boolean {
    return this.hasBegun && !this.#hasArguments && /["{[]/.test(unit) && this.#isAtCall() &&
      this.#walk.awaitsValue && ARGUMENTS.has(this.#walk.key);
  }

  /** Whether the innermost object is the one with the name. */
  #isAtCall(): boolean {
    const { path } = this.#walk;
    return path.length === 1 || (path.length === 2 && path[0] === "function");
  }

  #begin(name: string): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.#text = "";
    this.out.call(name);
  }

  /** The object is whole. */
  #end(): Progress {
    if (this.hasBegun) {
      if (!this.#hasArguments) this.out.text("arguments", "{}");
      return "whole";
    }
    const call = callOf(this.#text);
    if (call === null || !(this.isMarked || this.tools.has(call.name))) return "broken";
    this.#begin(call.name);
    this.out.text("arguments", call.arguments);
    return "whole";
  }
}

/** The arguments alone, behind a name. */
export class NamedCall implements OpenCall {
  readonly hasBegun = true;
  readonly #arguments: PlainArguments;

  constructor(name: string, out: DeltaList) {
    out.call(name);
    this.#arguments = new PlainArguments(out);
  }

  push(unit: string): Progress {
    return this.#arguments.push(unit);
  }
}

/** Name and arguments of a whole object, whatever the order of its keys; null for no call. */
function callOf(json: string): { readonly name: string; readonly arguments: string } | null {
  const value = exactObject(json);
  const call = isObject(value?.function) ? value.function : value;
  const name = call?.name;
  if (typeof name !== "string" || name === "") return null;
  const given = call?.arguments ?? call?.parameters ?? {};
  if (typeof given === "string") return exactObject(given) ? { name, arguments: given } : null;
  return isObject(given) ? { name, arguments: JSON.stringify(given) } : null;
}
