/** OpenAI's messages as chat templates expect them. */

import { ValidationError } from "../errors.ts";

/** A JSON object whose keys are not known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Names of older and newer OpenAI roles in the words that templates know. */
const ROLES = new Map([["developer", "system"], ["function", "tool"]]);

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Makes a message plain: text parts become one text, and arguments of earlier calls, which clients
 * send as text, become objects. Everything else stays for the template. Throws a
 * {@link ValidationError} for what this server cannot read.
 */
export function plainMessage(message: JsonObject, place: number): JsonObject {
  const path = `messages[${place}]`;
  const { role, content, tool_calls: calls } = message;
  if (typeof role !== "string") {
    throw ValidationError.ofParam("messages", `${path}: missing field \`role\``);
  }
  return {
    ...message,
    role: ROLES.get(role) ?? role,
    content: plainContent(content, path),
    ...(Array.isArray(calls) ? { tool_calls: calls.map(plainCall) } : {}),
  };
}

function plainContent(content: unknown, path: string): string | null {
  if (content === null || content === undefined) return null;
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => partText(part, path)).join("");
  throw ValidationError.ofParam("messages", `${path}: \`content\` must be a text or parts`);
}

function partText(part: unknown, path: string): string {
  if (typeof part === "string") return part;
  if (isObject(part) && typeof part.text === "string") return part.text;
  const type = isObject(part) && typeof part.type === "string" ? part.type.slice(0, 40) : "unknown";
  throw ValidationError.ofParam(
    "messages",
    `${path}: a part of type \`${type}\` cannot be read: this model takes text alone`,
  );
}

function plainCall(call: unknown): unknown {
  if (!isObject(call) || !isObject(call.function)) return call;
  const { arguments: given } = call.function;
  const parsed = typeof given === "string" ? parsedObject(given) : null;
  return parsed === null ? call : { ...call, function: { ...call.function, arguments: parsed } };
}

function parsedObject(json: string): JsonObject | null {
  try {
    const value = JSON.parse(json);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
