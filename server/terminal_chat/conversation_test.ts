import { deepEqual, equal } from "node:assert/strict";
import { Conversation } from "./conversation.ts";
import { answerText, plainPrompt } from "./prompt.ts";

Deno.test("a conversation is asked and answered by turns, under its system message", () => {
  const conversation = new Conversation("Be brief.");
  conversation.ask("Hi");
  conversation.answer("Hello");
  deepEqual(conversation.messages.map(({ role }) => role), ["system", "user", "assistant"]);
  conversation.clear();
  deepEqual(conversation.messages, [{ role: "system", content: "Be brief." }]);
});

Deno.test("an answer can be taken back, and a question without one", () => {
  const conversation = new Conversation(null);
  equal(conversation.reopen(), false);
  conversation.ask("Hi");
  conversation.answer("Hello");
  equal(conversation.reopen(), true);
  deepEqual(conversation.messages, [{ role: "user", content: "Hi" }]);
  equal(conversation.reopen(), true);
  conversation.unask();
  deepEqual(conversation.messages, []);
});

Deno.test("a conversation is saved as Markdown", () => {
  const conversation = new Conversation(null);
  conversation.ask("Hi");
  conversation.answer("Hello");
  equal(conversation.toMarkdown(), "## user\n\nHi\n\n## assistant\n\nHello\n");
});

Deno.test("without a template the turns are plain lines, and the next speaker is cut off", () => {
  const conversation = new Conversation("Be brief.");
  conversation.ask("Hi");
  equal(plainPrompt(conversation.messages), "Be brief.\nUser: Hi\nAssistant:");
  equal(answerText("Hello\nUser:"), "Hello");
  equal(answerText("Hello"), "Hello");
});
