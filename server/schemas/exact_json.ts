/**
 * JSON text to values without losing what `JSON.parse` loses: `seed` is a u64, and a double holds
 * only 53 of its bits.
 */

/** The third argument of a reviver: the text of a primitive (ECMAScript 2026, `JSON.parse`). */
interface ReviverContext {
  readonly source?: string;
}

/**
 * Parses JSON as `JSON.parse` does, with integer seeds as bigint. Throws a SyntaxError on
 * malformed text, on a string with half a surrogate pair (it has no UTF-8), and a RangeError on
 * nesting deeper than the stack.
 */
export function parseExactJson(json: string): unknown {
  const revive = (key: string, value: unknown, context: ReviverContext): unknown => {
    if (typeof value === "string" && !value.isWellFormed()) {
      throw new SyntaxError("lone surrogate in a string");
    }
    const isSeed = key === "seed" && typeof value === "number";
    return isSeed && /^-?\d+$/.test(context.source ?? "") ? BigInt(context.source ?? "") : value;
  };
  return JSON.parse(json, revive as (key: string, value: unknown) => unknown);
}
