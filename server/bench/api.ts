/** The APIs that are measured: how each is asked for a stream, and what its events look like. */

import type { TokenMark } from "./event_scanner.ts";

/** Names for `--api`. */
export const API_NAMES = ["tgi", "openai-completions", "openai-chat", "llamacpp"] as const;

/** An API. */
export type ApiName = (typeof API_NAMES)[number];

/** What one request asks for. */
export interface Ask {
  readonly prompt: string;
  readonly maxNewTokens: number;
  /** Name of the model, where the API wants one. */
  readonly model: string;
  /** Generate all tokens, also after the model's end-of-sequence token. */
  readonly ignoreEos: boolean;
  /** May the server use what it keeps of earlier prompts? Only llama.cpp asks. */
  readonly reusePrefix: boolean;
}

/** How to speak to a server. */
export interface Api {
  readonly path: string;
  readonly body: (ask: Ask) => Record<string, unknown>;
  /** Marks the events that carry a token. */
  readonly token: TokenMark;
  /** Stands in the last events of a stream that ended well. */
  readonly end: RegExp;
  /** The number of tokens, where the server tells it in its last events. */
  readonly count: RegExp;
}

/** Fields that OpenAI's two streams share; `ignore_eos` is what vLLM and others added. */
function openAi({ model, maxNewTokens, ignoreEos }: Ask): Record<string, unknown> {
  return {
    model,
    max_tokens: maxNewTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ...(ignoreEos ? { ignore_eos: true } : {}),
  };
}

/** Ends of OpenAI's streams. */
const OPENAI_END = {
  end: /^data: ?\[DONE\]/m,
  count: /"completion_tokens":\s*(\d+)/g,
} as const;

/** Every API by its name. */
export const APIS: Readonly<Record<ApiName, Api>> = {
  /** TGI's own; `ignore_eos` is an extension of this server, which TGI itself passes over. */
  tgi: {
    path: "/generate_stream",
    body: ({ prompt, maxNewTokens, ignoreEos }) => ({
      inputs: prompt,
      parameters: {
        max_new_tokens: maxNewTokens,
        details: true,
        ...(ignoreEos ? { ignore_eos: true } : {}),
      },
    }),
    token: { key: 'token":', opening: "{", closing: "}" },
    end: /"generated_text":\s*"|"finish_reason":\s*"/,
    count: /"generated_tokens":\s*(\d+)/g,
  },
  "openai-completions": {
    path: "/v1/completions",
    body: (ask) => ({ ...openAi(ask), prompt: ask.prompt }),
    token: { key: 'text":', opening: '"', closing: '"' },
    ...OPENAI_END,
  },
  "openai-chat": {
    path: "/v1/chat/completions",
    body: (ask) => ({ ...openAi(ask), messages: [{ role: "user", content: ask.prompt }] }),
    token: { key: 'content":', opening: '"', closing: '"' },
    ...OPENAI_END,
  },
  /** The native route of llama.cpp's server (`tools/server/README.md`). */
  llamacpp: {
    path: "/completion",
    body: ({ prompt, maxNewTokens, ignoreEos, reusePrefix }) => ({
      prompt,
      n_predict: maxNewTokens,
      temperature: 0,
      cache_prompt: reusePrefix,
      ignore_eos: ignoreEos,
      stream: true,
    }),
    token: { key: 'content":', opening: '"', closing: '"' },
    end: /"stop":\s*true|"predicted_n":/,
    count: /"(?:predicted_n|tokens_predicted)":\s*(\d+)/g,
  },
};
