/** What the tests of the chat route share. */

import assert from "node:assert/strict";
import type { z } from "zod";
import {
  ChatCompletion,
  ChatCompletionChunk,
  OpenAiError,
} from "../../server/schemas/openai_responses.ts";
import { post, type TestServer } from "./harness.ts";

export const CHAT = "/v1/chat/completions";

type Body = Record<string, unknown>;
type Chunk = z.output<typeof ChatCompletionChunk>;

/** A body with one message, three tokens unless said otherwise. */
export function chatBody(changes: Body = {}): Body {
  return { messages: [{ role: "user", content: "hi there" }], max_tokens: 3, ...changes };
}

/** The whole answer, checked against its schema. */
export async function chat(server: TestServer, changes: Body = {}) {
  const response = await post(server.app, CHAT, chatBody(changes));
  assert.equal(response.status, 200, await response.clone().text());
  return ChatCompletion.parse(await response.json());
}

/** The chunks of a stream, without `[DONE]`, which must be its end. */
export async function chatChunks(server: TestServer, changes: Body = {}): Promise<Chunk[]> {
  const response = await post(server.app, CHAT, chatBody({ stream: true, ...changes }));
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const lines = (await response.text()).split("\n\n").filter((line) => line !== "");
  assert.equal(lines.pop(), "data: [DONE]");
  return lines.map((line) => ChatCompletionChunk.parse(JSON.parse(line.slice("data: ".length))));
}

/** Status and error of a refused body. */
export async function chatRefusal(server: TestServer, changes: Body) {
  const response = await post(server.app, CHAT, chatBody(changes));
  const { error } = OpenAiError.parse(await response.json());
  return { status: response.status, ...error };
}

/** A message as a client puts it together from the chunks of one choice. */
export function assembled(chunks: readonly Chunk[], index = 0) {
  const choices = chunks.flatMap(({ choices }) => choices.filter((one) => one.index === index));
  const deltas = choices.map(({ delta }) => delta);
  const calls: { name: string; arguments: string; id: string; pieces: number }[] = [];
  for (const { index, id, type, function: part } of deltas.flatMap((one) => one.tool_calls ?? [])) {
    const open = calls[index];
    if (open === undefined) {
      assert.equal(index, calls.length);
      assert.ok(id !== undefined && type === "function" && part.name !== undefined);
      calls.push({ name: part.name, arguments: part.arguments, id, pieces: 0 });
    } else {
      assert.deepEqual([id, type, part.name], [undefined, undefined, undefined]);
      open.arguments += part.arguments;
      open.pieces += 1;
    }
  }
  return {
    content: deltas.map(({ content }) => content ?? "").join(""),
    reasoning: deltas.map(({ reasoning_content }) => reasoning_content ?? "").join(""),
    calls,
    finish: choices.at(-1)?.finish_reason,
  };
}
