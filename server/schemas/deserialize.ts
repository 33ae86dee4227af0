/** Wrong types in a request body, told as serde and axum tell them to TGI's clients. */

import type { z } from "zod";
import { BodyError } from "../errors.ts";

/**
 * Reads `body` into the schema's type. Throws a {@link BodyError} (422) that names the path of
 * the first value that does not fit, in the order of the schema.
 */
export function deserialize<Output>(schema: z.ZodType<Output>, body: unknown): Output {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const prefix = "Failed to deserialize the JSON body into the target type";
  throw new BodyError(`${prefix}: ${sentence(issue.path, body, issue.message)}`);
}

/** `parameters.stop[0]: invalid type: integer `1`, expected a string`. */
function sentence(path: readonly PropertyKey[], body: unknown, expected: string): string {
  let value = body;
  for (const key of path) value = (value as Record<PropertyKey, unknown>)[key];
  if (value === undefined) {
    const parent = pathText(path.slice(0, -1));
    return `${parent}missing field \`${String(path.at(-1))}\``;
  }
  return `${pathText(path)}${mismatch(value, expected)}`;
}

/** The path as `serde_path_to_error` writes it, with its colon; empty at the root. */
function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "";
  const steps = path.map((key, place) => {
    if (typeof key === "number") return `[${key}]`;
    return place === 0 ? String(key) : `.${String(key)}`;
  });
  return `${steps.join("")}: `;
}

/** serde's `invalid type` or, for an integer out of range, `invalid value`. */
function mismatch(value: unknown, expected: string): string {
  const wantsInteger = /^[iu](32|64|size)$/.test(expected);
  const isInteger = typeof value === "bigint" || Number.isInteger(value);
  const isOutOfRange = (wantsInteger && isInteger) ||
    (expected === "f32" && typeof value === "number");
  return `invalid ${isOutOfRange ? "value" : "type"}: ${unexpected(value)}, expected ${expected}`;
}

/** serde's `Unexpected`. */
function unexpected(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `string ${JSON.stringify(value)}`;
    case "boolean":
      return `boolean \`${value}\``;
    case "bigint":
      return `integer \`${value}\``;
    case "number":
      return `${Number.isSafeInteger(value) ? "integer" : "floating point"} \`${value}\``;
    default:
      if (value === null) return "null";
      return Array.isArray(value) ? "sequence" : "map";
  }
}
