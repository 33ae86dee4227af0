/** What every answer on the OpenAI routes begins and ends with. */

import type { DoneRecord } from "../../ffi/types.ts";
import type { ServerOptions } from "../server_options.ts";

/** The last event of OpenAI's streams. */
export const DONE_EVENT = "data: [DONE]\n\n";

/** The first keys of an answer or chunk, JSON without its closing brace. */
export function replyHead(
  kind: "cmpl" | "chatcmpl",
  object: string,
  options: ServerOptions,
): string {
  const id = `${kind}-${crypto.randomUUID().replaceAll("-", "")}`;
  const created = Math.floor(Date.now() / 1000);
  return `{"id":"${id}","object":"${object}","created":${created},"model":${
    JSON.stringify(options.modelId)
  },"system_fingerprint":${JSON.stringify(`${options.version}-native`)}`;
}

/**
 * OpenAI's `usage` over all generations. The prompt of `perPrompt` generations counts once, as
 * does what the cache held of it.
 */
export function usageJson(done: readonly DoneRecord[], perPrompt: number): string {
  const sum = (records: readonly DoneRecord[], value: (record: DoneRecord) => number) =>
    records.reduce((total, record) => total + value(record), 0);
  const prompts = done.filter((_, index) => index % perPrompt === 0);
  const prompt = sum(prompts, (record) => record.promptTokens);
  const cached = sum(prompts, (record) => record.cachedTokens);
  const completion = sum(done, (record) => record.generatedTokens);
  return `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${
    prompt + completion
  },"prompt_tokens_details":{"cached_tokens":${cached}}}`;
}

/** OpenAI's finish reason. */
export function openAiFinish(reason: DoneRecord["finishReason"]): "stop" | "length" {
  return reason === "length" ? "length" : "stop";
}
