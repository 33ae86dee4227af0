import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { doneRecord } from "../../tests/fakes/done_record.ts";
import { hermes } from "../chat/tools/hermes.ts";
import { type ChatPiece, ChatReader } from "./chat_reader.ts";
import type { TurnShape } from "./chat_request.ts";
import { ChatWriter } from "./chat_wire.ts";

const shape: TurnShape = {
  logprobs: false,
  tools: { format: hermes, names: new Set(["f"]), many: true },
  reasoning: { tags: { open: "<think>", close: "</think>" }, inside: false },
};

const TURN = '<think>\nwhy not\n</think>\n\nLet me:\n<tool_call>\n{"name": "f", "arguments": ' +
  '{"a": "</tool_call>"}}\n</tool_call>\n<tool_call>{"name": "f", "arguments": {}}</tool_call>';

function piecesOf(parts: readonly string[]): ChatPiece[] {
  const reader = new ChatReader(shape);
  const pieces = parts.flatMap((text, place) => {
    const token = { id: place, text, logprob: -1, special: false };
    return [...reader.token({ index: place + 1, token, top: [] })];
  });
  return [...pieces, ...reader.done({ ...done, generatedText: parts.join("") })];
}

/** The message that a client has at the end, without the ids, which are random. */
function whole(pieces: readonly ChatPiece[]) {
  const choice = JSON.parse(new ChatWriter(0, false).whole(pieces));
  const calls = choice.message.tool_calls?.map((call: { function: unknown }) => call.function);
  return { ...choice, message: { ...choice.message, tool_calls: calls } };
}

/** The same, put together from chunks. */
function streamed(pieces: readonly ChatPiece[]) {
  const writer = new ChatWriter(0, false);
  const choices = pieces.flatMap((piece) => writer.chunks(piece)).map((chunk) => JSON.parse(chunk));
  const text = (key: string) => choices.map(({ delta }) => delta[key] ?? "").join("");
  const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
  return {
    index: 0,
    message: {
      role: "assistant",
      content: text("content"),
      reasoning_content: text("reasoning_content"),
      tool_calls: calls.map((call: { function: unknown }) => call.function),
    },
    logprobs: null,
    finish_reason: choices.at(-1)?.finish_reason,
  };
}

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
    const pieces = piecesOf([TURN.slice(0, cut), TURN.slice(cut)]);
    deepEqual(whole(pieces), expected);
    deepEqual(streamed(pieces), expected);
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
    deepEqual(streamed(piecesOf(parts)), expected);
  }));
});

Deno.test("a mark that is a special token counts, any other special token is no text", () => {
  const reader = new ChatReader(shape);
  const say = (text: string, special: boolean) =>
    reader.token({ index: 1, token: { id: 1, text, logprob: -1, special }, top: [] });
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
  const pieces = [...reader.token({ index: 1, token, top: [] })];
  pieces.push(...reader.done({ ...done, generatedText: "a\ufffd" }));
  deepEqual(whole(pieces).message.content, "a\ufffd");
});

const done = doneRecord({ finishReason: "eos_token" });
