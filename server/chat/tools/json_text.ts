/** JSON in the midst of other text: where a value ends, and its parts without loss. */

import { isObject } from "../messages.ts";

/** Where a value stands after a unit: `broken` says that the unit is no part of it. */
export type Progress = "open" | "whole" | "broken";

/** What may stand in a JSON text outside of strings. */
const STRUCTURE = /^[\s\w{}[\],:"+.-]$/;

/** An object or array that is not closed yet. */
interface Level {
  readonly closing: "}" | "]";
  /** Key of the value that comes next or is being read; null before the key and in arrays. */
  key: string | null;
  /** Whether that value has not begun. */
  awaitsValue: boolean;
}

/**
 * Follows a JSON object or array, one UTF-16 unit at a time: its brackets, its strings and the keys
 * of its objects. Commas, colons and words are not checked.
 */
export class JsonWalk {
  readonly #levels: Level[] = [];
  /** The open string with its quote. */
  #string: string | null = null;
  #escaped = false;
  /** The string value that this unit has closed. */
  closedString: string | null = null;

  /** The key at each object or array that is open, the outermost first. */
  get path(): readonly (string | null)[] {
    return this.#levels.map(({ key }) => key);
  }

  get inString(): boolean {
    return this.#string !== null;
  }

  /** Key of the innermost object, of which the value comes next or is being read. */
  get key(): string | null {
    return this.#levels.at(-1)?.key ?? null;
  }

  /** Whether the next unit that is no white space begins the value of `key`. */
  get awaitsValue(): boolean {
    return this.#string === null && this.#levels.at(-1)?.awaitsValue === true;
  }

  /** The value that comes next was read elsewhere. */
  passValue(): void {
    const level = this.#levels.at(-1);
    if (level !== undefined) level.awaitsValue = false;
  }

  push(unit: string): Progress {
    this.closedString = null;
    if (this.#string !== null) return this.#inside(unit);
    if (!STRUCTURE.test(unit)) return "broken";
    const level = this.#levels.at(-1);
    if (unit === "}" || unit === "]") return this.#close(unit);
    if (level !== undefined && unit === ":") level.awaitsValue = level.key !== null;
    else if (level !== undefined && unit === ",") level.key = null;
    else if (level !== undefined && unit.trim() !== "") level.awaitsValue = false;
    if (unit === '"') this.#string = unit;
    if (unit === "{") this.#levels.push({ closing: "}", key: null, awaitsValue: false });
    if (unit === "[") this.#levels.push({ closing: "]", key: null, awaitsValue: false });
    return "open";
  }

  #inside(unit: string): Progress {
    const string = this.#string + unit;
    this.#string = string;
    if (this.#escaped) this.#escaped = false;
    else if (unit === "\\") this.#escaped = true;
    else if (unit === '"') this.#endString(string);
    return "open";
  }

  #endString(json: string): void {
    this.#string = null;
    const level = this.#levels.at(-1);
    const text = stringOf(json);
    if (level?.closing === "}" && level.key === null) level.key = text;
    else this.closedString = text;
  }

  #close(unit: string): Progress {
    if (this.#levels.at(-1)?.closing !== unit) return "broken";
    this.#levels.pop();
    return this.#levels.length === 0 ? "whole" : "open";
  }
}

/** Null for a string that JSON does not know. */
function stringOf(json: string): string | null {
  try {
    return String(JSON.parse(json));
  } catch {
    return null;
  }
}

const { rawJSON } = JSON as JSON & { rawJSON(text: string): object };

/**
 * Parses so that `JSON.stringify` gives every number back with all its digits. Null for text that
 * is no JSON object.
 */
export function exactObject(json: string): Record<string, unknown> | null {
  const keepNumbers = (_key: string, value: unknown, context: { source?: string }) =>
    typeof value === "number" && context.source !== undefined ? rawJSON(context.source) : value;
  try {
    const value: unknown = JSON.parse(
      json,
      keepNumbers as (key: string, value: unknown) => unknown,
    );
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
