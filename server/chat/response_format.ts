/** `response_format` of a chat: OpenAI's forms and TGI's, as a grammar for the core. */

import type { Grammar } from "../../ffi/types.ts";
import { ValidationError } from "../errors.ts";
import type { ChatRequest } from "../schemas/chat.ts";
import { toJobGrammar } from "../schemas/grammar.ts";

/** The grammar; null for plain text. Throws a {@link ValidationError} for an unknown form. */
export function responseGrammar(format: ChatRequest["response_format"]): Grammar | null {
  if (!format || format.type === "text") return null;
  const { type, json_schema: openAi } = format;
  if (!["json_object", "json_schema", "json", "regex", "lark"].includes(type)) {
    throw ValidationError.ofParam(
      "response_format",
      "`response_format` must be of type text, json_object, json_schema, json, regex or lark. " +
        `Given: ${type.slice(0, 80)}`,
    );
  }
  const value = openAi ?? format.value ?? format.schema;
  if (type === "json_schema" && (value === null || value === undefined)) {
    throw ValidationError.ofParam("response_format", "`response_format` has no `json_schema`");
  }
  return toJobGrammar({ type, value });
}
