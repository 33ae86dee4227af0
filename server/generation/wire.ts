/**
 * JSON text of tokens and details, keys in the order that TGI emits. Templates, not
 * `JSON.stringify` of objects: a third of its time, and seeds and f32 numbers stay exact.
 */

import type { DoneRecord, GeneratedRecord, TokenRecord } from "../../ffi/types.ts";

/**
 * An f32 as serde_json writes it: its shortest decimal form, with `.0` on whole numbers, and
 * `null` where JSON has no number.
 */
export function f32Json(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const text = shortestF32(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** The fewest digits that read back as the same f32; nine always do. */
function shortestF32(value: number): string {
  const rounded = Math.fround(value);
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === rounded) return String(candidate);
  }
  return String(Number(value.toPrecision(9)));
}

/** `{"id","text","logprob","special"}`. */
export function tokenJson(token: TokenRecord): string {
  return `{"id":${token.id},"text":${JSON.stringify(token.text)},"logprob":${
    f32Json(token.logprob)
  },"special":${token.special}}`;
}

/** `{"id","text","logprob"}`. */
export function prefillTokenJson(token: TokenRecord): string {
  return `{"id":${token.id},"text":${JSON.stringify(token.text)},"logprob":${
    f32Json(token.logprob)
  }}`;
}

/** A JSON array of texts that are JSON already. */
export function arrayJson(items: readonly string[]): string {
  return `[${items.join(",")}]`;
}

/** The first three keys of both kinds of details. */
function detailsHead(done: DoneRecord): string {
  return `"finish_reason":"${done.finishReason}","generated_tokens":${done.generatedTokens},"seed":${done.seed}`;
}

/** Where a generation's time and tokens went, as the last key of its details; times in ms. */
function accountingJson(done: DoneRecord): string {
  return `,"accounting":${
    JSON.stringify({
      queue_time: done.queueMicros / 1000,
      prefill_time: done.prefillMicros / 1000,
      decode_time: done.decodeMicros / 1000,
      cached_tokens: done.cachedTokens,
      drafted_tokens: done.draftedTokens,
      accepted_tokens: done.acceptedTokens,
    })
  }`;
}

/** `details` of the last event of a stream. */
export function streamDetailsJson(done: DoneRecord, accounting: boolean): string {
  return `{${detailsHead(done)},"input_length":${done.promptTokens}${
    accounting ? accountingJson(done) : ""
  }}`;
}

/** Parts of a whole generation, each already JSON. */
export interface GenerationParts {
  readonly prefill: readonly string[];
  readonly tokens: readonly string[];
  /** One array for each token; null unless asked for. */
  readonly topTokens: readonly string[] | null;
  /** Whether the details say where time and tokens went. */
  readonly accounting: boolean;
}

/** `details` of a whole generation; `bestOf` has its further sequences, each already JSON. */
export function detailsJson(
  done: DoneRecord,
  parts: GenerationParts & { readonly bestOf?: readonly string[] | null },
): string {
  const bestOf = parts.bestOf ? `,"best_of_sequences":${arrayJson(parts.bestOf)}` : "";
  return `{${detailsHead(done)},${tokensJson(parts)}${bestOf}${restJson(done, parts)}}`;
}

/** One of `best_of_sequences`. */
export function bestOfSequenceJson(
  text: string,
  done: DoneRecord,
  parts: GenerationParts,
): string {
  return `{"generated_text":${JSON.stringify(text)},${detailsHead(done)},${tokensJson(parts)}${
    restJson(done, parts)
  }}`;
}

function tokensJson({ prefill, tokens }: GenerationParts): string {
  return `"prefill":${arrayJson(prefill)},"tokens":${arrayJson(tokens)}`;
}

/** The last keys, of what was asked for. */
function restJson(done: DoneRecord, { topTokens, accounting }: GenerationParts): string {
  const top = topTokens ? `,"top_tokens":${arrayJson(topTokens)}` : "";
  return top + (accounting ? accountingJson(done) : "");
}

/** The last keys of an event. */
export interface EventEnd {
  /** The whole text, in the last event. */
  readonly generatedText: string | null;
  /** JSON of the details, in the last event and when asked for. */
  readonly details: string | null;
}

/** `{"index","token","top_tokens"?,"generated_text","details"}`. */
export function streamEventJson(
  record: GeneratedRecord,
  topTokens: boolean,
  end: EventEnd = { generatedText: null, details: null },
): string {
  const top = topTokens ? `"top_tokens":${arrayJson(record.top.map(tokenJson))},` : "";
  return `{"index":${record.index},"token":${tokenJson(record.token)},${top}"generated_text":${
    JSON.stringify(end.generatedText)
  },"details":${end.details}}`;
}
