/**
 * Prompts that end inside the last message, so that the model goes on with it; as
 * `apply_chat_template` of transformers makes them by `continue_final_message`.
 */

import { TemplateError, ValidationError } from "../errors.ts";
import type { JsonObject } from "./messages.ts";

/** Stands behind the text to go on with, so that it is found in the prompt. */
const MARK = "CONTINUE_FINAL_MESSAGE_TAG ";

/** Messages whose last one the model goes on with. */
export interface Continued {
  /** With the mark in the last one. */
  readonly messages: readonly JsonObject[];
  /** Text of the last one. */
  readonly text: string;
}

/** Marks the last message. Throws a {@link ValidationError} where the model cannot go on with it. */
export function markLast(messages: readonly JsonObject[]): Continued {
  const last = messages.at(-1);
  const text = last?.role === "assistant" ? last.content : null;
  if (typeof text === "string" && text.trim() !== "") {
    return { messages: [...messages.slice(0, -1), { ...last, content: text + MARK }], text };
  }
  throw ValidationError.ofParam(
    "continue_final_message",
    "`continue_final_message` needs a last message of the assistant with text",
  );
}

/**
 * Cuts a prompt at the mark. White space before it goes where the template has trimmed the message.
 * Throws a {@link TemplateError} when the template does not show the text or its end.
 */
export function cutAtMark(prompt: string, { text }: Continued): string {
  const at = prompt.lastIndexOf(MARK.trim());
  if (at < 0 || !prompt.includes(text.trim())) {
    throw new TemplateError("it does not show the last message: cannot go on with it");
  }
  const cut = prompt.slice(0, at);
  return prompt.startsWith(MARK, at) ? cut : cut.trimEnd();
}
