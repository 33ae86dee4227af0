/** A chat template and a tokenizer in memory. */

import type { ChatRenderer, Conversation } from "../../server/chat/renderer.ts";
import { TemplateError } from "../../server/errors.ts";
import type { TextTokenizer, TokenSpan } from "../../server/tokenizer.ts";

/** Writes `<role>content` for each message; a role `refused` is refused. */
export class FakeRenderer implements ChatRenderer {
  readonly conversations: Conversation[] = [];

  constructor(readonly template: string | null) {}

  render(conversation: Conversation): Promise<string> {
    this.conversations.push(conversation);
    if (this.template === null) return Promise.reject(new TemplateError("template not found"));
    const { messages, addGenerationPrompt, variables } = conversation;
    if (messages.some(({ role }) => role === "refused")) {
      return Promise.reject(new TemplateError("roles must alternate"));
    }
    const turns = messages.map(({ role, content }) => `<${role}>${content ?? ""}</turn>`);
    const opening = variables.think === true ? "<think>" : "";
    const head = addGenerationPrompt ? `<assistant>${opening}` : "";
    return Promise.resolve(turns.join(" ") + head);
  }
}

/** Words are tokens; `<s>` is added in front. */
export class FakeTokenizer implements TextTokenizer {
  tokenize(text: string, addSpecialTokens: boolean): Promise<readonly TokenSpan[]> {
    const encoder = new TextEncoder();
    const words = [...text.matchAll(/\s*\S+/g)].map((match, place) => {
      const start = encoder.encode(text.slice(0, match.index)).length;
      return {
        id: place + 1,
        text: match[0],
        start,
        stop: start + encoder.encode(match[0]).length,
      };
    });
    const added = addSpecialTokens ? [{ id: 0, text: "", start: 0, stop: 0 }] : [];
    return Promise.resolve([...added, ...words]);
  }
}
