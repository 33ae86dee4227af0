/** What the chat route needs of the core: messages made into a prompt by the model's template. */

import type { JsonObject } from "./messages.ts";

/** A conversation as a template sees it. */
export interface Conversation {
  readonly messages: readonly JsonObject[];
  /** OpenAI's tools; null when the template shall not see any. */
  readonly tools: readonly JsonObject[] | null;
  /** Whether the prompt ends with the head of the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Further variables of the template; none has a reserved name. */
  readonly variables: JsonObject;
}

/** Writes conversations as prompts. */
export interface ChatRenderer {
  /** Source of the template, from which the format of tool calls is known; null without one. */
  readonly template: string | null;
  /** Resolves with the prompt. Rejects with a `TemplateError` when the template refuses. */
  render(conversation: Conversation): Promise<string>;
}
