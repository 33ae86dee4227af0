/** JSON in the midst of other text: where a value ends, and its parts without loss. */

import { isObject } from "../messages.ts";

/** Follows a JSON object or array, one UTF-16 unit at a time. */
export class BalancedJson {
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** Whether the value is whole with this unit. */
  push(unit: string): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (unit === "\\") this.#escaped = true;
      else if (unit === '"') this.#inString = false;
      return false;
    }
    if (unit === '"') this.#inString = true;
    else if (unit === "{" || unit === "[") this.#depth += 1;
    else if (unit === "}" || unit === "]") this.#depth -= 1;
    return this.#depth <= 0;
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
