/** A choice of a chat as its client has it, whole and put together from chunks. */

import type { DoneRecord } from "../../ffi/types.ts";
import { type ChatPiece, ChatReader } from "../../server/openai/chat_reader.ts";
import type { TurnShape } from "../../server/openai/chat_request.ts";
import { ChatWriter } from "../../server/openai/chat_wire.ts";
import { doneRecord } from "./done_record.ts";

/** An end of which nothing shows but its text. */
export const done: DoneRecord = doneRecord({ finishReason: "eos_token" });

/** What is read of tokens with these texts, none of them special. */
export function piecesOf(shape: TurnShape, texts: readonly string[]): ChatPiece[] {
  const reader = new ChatReader(shape);
  const pieces = texts.flatMap((text, place) => {
    const token = { id: place, text, logprob: -1, special: false };
    return [...reader.token({ index: place + 1, last: false, token, top: [] })];
  });
  return [...pieces, ...reader.done({ ...done, generatedText: texts.join("") })];
}

interface Call {
  readonly name: string;
  arguments: string;
}

/** The message that a client has at the end, without the ids, which are random. */
export function whole(pieces: readonly ChatPiece[]) {
  const choice = JSON.parse(new ChatWriter(0, false).whole(pieces));
  const calls = choice.message.tool_calls?.map((call: { function: Call }) => call.function);
  return { ...choice, message: { ...choice.message, tool_calls: calls } };
}

/** The same, put together from chunks. */
export function streamed(pieces: readonly ChatPiece[]) {
  const writer = new ChatWriter(0, false);
  const choices = pieces.flatMap((piece) => writer.chunks(piece)).map((chunk) => JSON.parse(chunk));
  const text = (key: string) => choices.map(({ delta }) => delta[key] ?? "").join("");
  const calls: Call[] = [];
  for (const { index, function: part } of choices.flatMap(({ delta }) => delta.tool_calls ?? [])) {
    const open = calls[index];
    if (open === undefined) calls.push({ ...part });
    else open.arguments += part.arguments;
  }
  const [content, reasoning] = [text("content"), text("reasoning_content")];
  return {
    index: 0,
    message: {
      role: "assistant",
      content: content === "" && calls.length > 0 ? null : content,
      ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
      tool_calls: calls.length === 0 ? undefined : calls,
    },
    logprobs: null,
    finish_reason: choices.at(-1)?.finish_reason,
  };
}
