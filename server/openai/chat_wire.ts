/** JSON of chats: messages, deltas and logprobs. */

import type { TokenRecord } from "../../ffi/types.ts";
import type { ChatDelta } from "../chat/delta.ts";
import { arrayJson, f32Json } from "../generation/wire.ts";
import type { ChatPiece } from "./chat_reader.ts";
import type { LoggedToken } from "./completion_reader.ts";

/** What OpenAI writes for a logprob that JSON has no number for. */
const NO_LOGPROB = "-9999.0";

const encoder = new TextEncoder();

/** Writes one choice; ids and places of its calls go on from piece to piece. */
export class ChatWriter {
  #calls = 0;

  constructor(readonly index: number, readonly logprobs: boolean) {}

  /** The first chunk's choice: the role, before any text. */
  opening(): string {
    return this.#chunk('{"role":"assistant","content":""}', [], null);
  }

  /** Choices of chunks, one for each delta; the logprobs are in the first. */
  chunks({ deltas, tokens, finishReason }: ChatPiece): readonly string[] {
    const isBare = deltas.length === 0 && tokens.length > 0;
    const written = deltas.map((delta) => this.#delta(delta));
    const chunks = (isBare ? ["{}"] : written)
      .map((delta, place) => this.#chunk(delta, place === 0 ? tokens : [], null));
    return finishReason === null ? chunks : [...chunks, this.#chunk("{}", [], finishReason)];
  }

  /** The choice of a whole answer. */
  whole(pieces: readonly ChatPiece[]): string {
    const deltas = pieces.flatMap((piece) => piece.deltas);
    const tokens = pieces.flatMap((piece) => piece.tokens);
    const reason = pieces.at(-1)?.finishReason ?? null;
    return `{"index":${this.index},"message":${this.#message(deltas)},"logprobs":${
      this.#logprobsJson(tokens)
    },"finish_reason":${JSON.stringify(reason)}}`;
  }

  #message(deltas: readonly ChatDelta[]): string {
    const content = textOf(deltas, "content");
    const reasoning = textOf(deltas, "reasoning");
    const calls = callsOf(deltas);
    const shown = content === "" && calls.length > 0 ? null : content;
    const reasoned = reasoning === "" ? "" : `,"reasoning_content":${JSON.stringify(reasoning)}`;
    const called = calls.length === 0
      ? ""
      : `,"tool_calls":${
        arrayJson(calls.map((call) => `{${callJson(call.name, call.arguments)}}`))
      }`;
    return `{"role":"assistant","content":${JSON.stringify(shown)}${reasoned}${called}}`;
  }

  #delta(delta: ChatDelta): string {
    if (delta.kind === "content") return `{"content":${JSON.stringify(delta.text)}}`;
    if (delta.kind === "reasoning") return `{"reasoning_content":${JSON.stringify(delta.text)}}`;
    if (delta.kind === "call") this.#calls += 1;
    const keys = delta.kind === "call"
      ? callJson(delta.name, "")
      : `"function":{"arguments":${JSON.stringify(delta.text)}}`;
    return `{"tool_calls":[{"index":${this.#calls - 1},${keys}}]}`;
  }

  #chunk(delta: string, tokens: readonly LoggedToken[], reason: string | null): string {
    return `{"index":${this.index},"delta":${delta},"logprobs":${
      tokens.length === 0 ? "null" : this.#logprobsJson(tokens)
    },"finish_reason":${JSON.stringify(reason)}}`;
  }

  #logprobsJson(tokens: readonly LoggedToken[]): string {
    if (!this.logprobs) return "null";
    const entries = tokens.map(({ token, top }) =>
      `{${entryJson(token)},"top_logprobs":${arrayJson(top.map((one) => `{${entryJson(one)}}`))}}`
    );
    return `{"content":${arrayJson(entries)},"refusal":null}`;
  }
}

function textOf(deltas: readonly ChatDelta[], kind: "content" | "reasoning"): string {
  return deltas.map((delta) => delta.kind === kind ? delta.text : "").join("");
}

/** The calls of a turn with their whole arguments. */
function callsOf(deltas: readonly ChatDelta[]): readonly { name: string; arguments: string }[] {
  const calls: { name: string; arguments: string }[] = [];
  for (const delta of deltas) {
    const open = calls.at(-1);
    if (delta.kind === "call") calls.push({ name: delta.name, arguments: "" });
    else if (delta.kind === "arguments" && open !== undefined) open.arguments += delta.text;
  }
  return calls;
}

/** The keys that begin a call; its id is made here, for a call begins once. */
function callJson(name: string, given: string): string {
  const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
  return `"id":"${id}","type":"function","function":{"name":${JSON.stringify(name)},"arguments":${
    JSON.stringify(given)
  }}`;
}

function entryJson({ text, logprob }: TokenRecord): string {
  const number = Number.isFinite(logprob) ? f32Json(logprob) : NO_LOGPROB;
  return `"token":${JSON.stringify(text)},"logprob":${number},"bytes":[${encoder.encode(text)}]`;
}
