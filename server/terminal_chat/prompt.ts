/** From a conversation to a question for the model. */

import { renderChat } from "../../ffi/render.ts";
import type { ChatMessage, JobParameters, TextEngine } from "../../ffi/types.ts";
import type { Question } from "../completion/answer.ts";

/** Names of the roles where the model has no template of its own. */
const PLAIN_NAMES: Readonly<Record<string, string>> = { user: "User", assistant: "Assistant" };

/** Where the other side begins to speak in a plain conversation. */
const PLAIN_STOP = "\nUser:";

/** Told once where a model has no template. */
export const NO_TEMPLATE_NOTE =
  "This model has no chat template: the conversation is written as User: and Assistant: lines.";

/**
 * The question that asks for the next answer: by the model's template, whose special tokens stand
 * in the text already, else as plain lines.
 */
export async function questionOf(
  engine: TextEngine,
  messages: readonly ChatMessage[],
  parameters: JobParameters,
  signal: AbortSignal,
): Promise<Question> {
  if (engine.info.chatTemplateText === null) {
    const stop = [...parameters.stop ?? [], PLAIN_STOP];
    return { inputs: plainPrompt(messages), parameters: { ...parameters, stop } };
  }
  const inputs = await renderChat(engine, { messages, add_generation_prompt: true }, signal);
  return { inputs, parameters: { ...parameters, add_special_tokens: false } };
}

/** What belongs to the answer: without the stop sequence of a plain conversation. */
export function answerText(text: string): string {
  return text.endsWith(PLAIN_STOP) ? text.slice(0, -PLAIN_STOP.length) : text;
}

/** `User: …` and `Assistant: …` lines; a system message stands bare at the head. */
export function plainPrompt(messages: readonly ChatMessage[]): string {
  const lines = messages.map(({ role, content }) => {
    const name = PLAIN_NAMES[role];
    return name === undefined ? content : `${name}: ${content}`;
  });
  return [...lines, "Assistant:"].join("\n");
}
