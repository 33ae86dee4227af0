/** Fields of a body that change nothing here: said in a header, or refused in strict mode. */

import { ValidationError } from "../errors.ts";

/** Fields that some clients always send, with the value that is what this server does. */
const HARMLESS = new Map<string, (value: unknown) => boolean>([
  ["n", (value) => value === 1],
  ["stream", (value) => value === false],
  ["store", (value) => value === false],
  ["modalities", (value) => Array.isArray(value) && value.every((mode) => mode === "text")],
]);

/** Longest list that a header carries. */
const MAX_NAMES = 32;

/** Names of the fields that nobody reads; null is the same as absent. */
export function ignoredFields(
  body: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(body)
    .filter(([name, value]) => !Object.hasOwn(known, name) && value !== null && value !== undefined)
    .filter(([name, value]) => !HARMLESS.get(name)?.(value))
    .map(([name]) => name)
    .sort();
}

/** `x-ignored-params`; in strict mode throws a {@link ValidationError} (400) instead. */
export function ignoredHeaders(
  names: readonly string[],
  strict: boolean,
): Record<string, string> {
  const first = names[0];
  if (first === undefined) return {};
  if (strict) {
    const all = names.map((name) => `\`${name}\``).join(", ");
    throw new ValidationError(
      `Input validation error: This server ignores ${all}, and --strict refuses what is ignored: ` +
        "leave it out",
      400,
      { param: first },
    );
  }
  const safe = names.slice(0, MAX_NAMES).map((name) => encodeURIComponent(name.slice(0, 64)));
  return { "x-ignored-params": safe.join(", ") };
}
