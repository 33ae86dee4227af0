import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { hermes } from "../chat/tools/hermes.ts";
import { sampleTurns, tools as names } from "../../tests/fakes/sample_turns.ts";
import { ChatReader } from "./chat_reader.ts";
import type { TurnShape } from "./chat_request.ts";
import { done, piecesOf, streamed, whole } from "../../tests/fakes/client_turns.ts";

const shape: TurnShape = {
  logprobs: false,
  tools: { format: hermes, names: new Set(["f"]), forced: false, many: true },
  reasoning: { tags: { open: "<think>", close: "</think>" }, inside: false },
};

const TURN = '<think>\nwhy not\n</think>\n\nLet me:\n<tool_call>\n{"name": "f", "arguments": ' +
  '{"a": "</tool_call>"}}\n</tool_call>\n<tool_call>{"name": "f", "arguments": {}}</tool_call>';

const expected = {
  index: 0,
  message: {
    role: "assistant",
    content: "Let me:",
    reasoning_content: "why not",
    tool_calls: [
      { name: "f", arguments: '{"a":"</tool_call>"}' },
      { name: "f", arguments: "{}" },
    ],
  },
  logprobs: null,
  finish_reason: "tool_calls",
};

Deno.test("a turn of reasoning, text and calls is the same at every cut, whole as streamed", () => {
  for (let cut = 0; cut <= TURN.length; cut += 1) {
    const pieces = piecesOf(shape, [TURN.slice(0, cut), TURN.slice(cut)]);
    deepEqual(whole(pieces), expected);
    deepEqual(streamed(pieces), expected);
  }
});

Deno.test("every sample of every format is the same at every cut, whole as streamed", () => {
  for (const [format, given, { content, calls }] of sampleTurns) {
    const sampled = { ...shape, tools: { format, names, forced: false, many: true } };
    for (let cut = 0; cut <= given.length; cut += 1) {
      const pieces = piecesOf(sampled, [given.slice(0, cut), given.slice(cut)]);
      const { message } = whole(pieces);
      deepEqual(streamed(pieces), whole(pieces));
      deepEqual(message.content ?? "", content);
      deepEqual((message.tool_calls ?? []).map(Object.values), calls);
    }
  }
});

Deno.test("tokens of any length give the same turn", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
    const parts: string[] = [];
    for (let at = 0; at < TURN.length;) {
      const length = lengths[parts.length % lengths.length] ?? 1;
      parts.push(TURN.slice(at, at + length));
      at += length;
    }
    deepEqual(streamed(piecesOf(shape, parts)), expected);
  }));
});

Deno.test("a mark that is a special token counts, any other special token is no text", () => {
  const reader = new ChatReader(shape);
  const say = (text: string, special: boolean) =>
    reader.token({ index: 1, last: false, token: { id: 1, text, logprob: -1, special }, top: [] });
  const pieces = [
    ...say("<think>", true),
    ...say("why", false),
    ...say("</think>", true),
    ...say("so", false),
    ...say("<|im_end|>", true),
    ...reader.done({ ...done, generatedText: "whyso" }),
  ];
  deepEqual(whole(pieces).message, {
    role: "assistant",
    content: "so",
    reasoning_content: "why",
    tool_calls: undefined,
  });
});

Deno.test("text that no token has shown comes with the end", () => {
  const reader = new ChatReader({ ...shape, tools: null, reasoning: null });
  const token = { id: 1, text: "a", logprob: -1, special: false };
  const pieces = [...reader.token({ index: 1, last: false, token, top: [] })];
  pieces.push(...reader.done({ ...done, generatedText: "a\ufffd" }));
  deepEqual(whole(pieces).message.content, "a\ufffd");
});
