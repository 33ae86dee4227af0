/** JSON schemas of calls, made of the schemas of their tools. */

import type { JsonObject } from "../messages.ts";
import type { Tool } from "./format.ts";

/** A schema of one call, and the definitions that it refers to. */
export interface CallSchema {
  readonly call: JsonObject;
  readonly $defs: JsonObject;
}

/** Keys of a call; `before` are optional members that come before the name. */
export interface CallKeys {
  readonly before?: JsonObject;
  readonly arguments: "arguments" | "parameters";
}

/** The schema of a call of one of `tools`: `{"name", "arguments"}`. */
export function callSchema(
  tools: readonly Tool[],
  { before = {}, arguments: key }: CallKeys = { arguments: "arguments" },
): CallSchema {
  const calls = tools.map(({ name }, index) => ({
    type: "object",
    properties: { ...before, name: { const: name }, [key]: { $ref: `#/$defs/tool${index}` } },
    required: ["name", key],
    additionalProperties: false,
  }));
  const [only, ...others] = calls;
  const call = only !== undefined && others.length === 0 ? only : { anyOf: calls };
  return { call, $defs: toolDefinitions(tools) };
}

/** A list of at least one call, and of no more unless `many`. */
export function callListSchema(tools: readonly Tool[], many: boolean): JsonObject {
  const { call, $defs } = callSchema(tools);
  return { type: "array", items: call, minItems: 1, ...(many ? {} : { maxItems: 1 }), $defs };
}

/** The schemas of the tools' arguments, as `$defs` of another schema. */
export function toolDefinitions(tools: readonly Tool[]): JsonObject {
  return Object.fromEntries(
    tools.map(({ parameters }, index) =>
      [`tool${index}`, moveReferences(parameters, `#/$defs/tool${index}`)] as const
    ),
  );
}

/** A schema that becomes a part of another: what it refers to in itself has moved along. */
function moveReferences(value: unknown, root: string): unknown {
  if (Array.isArray(value)) return value.map((item) => moveReferences(item, root));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isLocal = key === "$ref" && typeof inner === "string" && /^#(\/|$)/.test(inner);
      return [key, isLocal ? root + inner.slice(1) : moveReferences(inner, root)];
    }),
  );
}
