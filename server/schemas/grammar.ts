/** TGI's forms of a grammar (`router/src/lib.rs`, `GrammarType`), and what they are to the core. */

import { z } from "zod";
import type { Grammar as JobGrammar } from "../../ffi/types.ts";
import { ValidationError } from "../errors.ts";
import { text } from "./scalars.ts";

const FORMS = ["json", "json_object", "json_schema", "regex", "lark"];

const kind = z.custom<string>(
  (value) => typeof value === "string" && FORMS.includes(value),
  { error: `one of ${FORMS.map((form) => `\`${form}\``).join(", ")}` },
).meta({ type: "string", enum: FORMS });

/** A grammar as TGI's clients send it; `lark` is this server's extension. */
export const Grammar = z.looseObject({
  type: kind,
  value: z.unknown().optional().meta({
    description: "json, json_object: a JSON schema, or its text; json_schema: {name, schema}; " +
      "regex, lark: text",
  }),
}, { error: "struct GrammarType" }).meta({
  id: "Grammar",
  example: { type: "json", value: { properties: { name: { type: "string" } } } },
});

/** A body as {@link Grammar} reads it. */
export type Grammar = z.output<typeof Grammar>;

/**
 * The grammar for the core. Throws a {@link ValidationError} in TGI's words when the value is not
 * what the type wants; what it says is checked in the core.
 */
export function toJobGrammar({ type, value }: Grammar): JobGrammar {
  switch (type) {
    case "regex":
    case "lark":
      return { type, value: textValue(type, value) };
    case "json_schema":
      return { type, value: schemaOf(isObject(value) && "schema" in value ? value.schema : value) };
    default:
      return value === undefined || value === null
        ? { type: "json_object" }
        : { type: "json_schema", value: schemaOf(value) };
  }
}

function textValue(type: string, value: unknown): string {
  const read = text.safeParse(value);
  if (read.success && read.data !== "") return read.data;
  throw invalid(`the value of a ${type} grammar must be a text that is not empty`);
}

/**
 * A schema, or its JSON text, where the order of the keys counts. With `properties` and without a
 * `type` it means an object, as it does to TGI; by the letter of JSON Schema a number would do.
 */
function schemaOf(value: unknown): unknown {
  const schema = typeof value === "string" ? parsed(value) : value;
  if (typeof schema === "boolean") return value;
  if (!isObject(schema)) throw invalid("a JSON schema must be an object");
  if (!("properties" in schema) || "type" in schema) return value;
  return typeof value === "string"
    ? `{"type":"object",${value.trimStart().slice(1)}`
    : { type: "object", ...schema };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause));
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(reason: string): ValidationError {
  return ValidationError.ofInput(`grammar is not valid: ${reason}`);
}
