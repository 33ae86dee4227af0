/** A server that speaks one of the benchmark's four APIs and cuts its stream where it likes. */

import type { ApiName } from "../../server/bench/api.ts";

/** How the peer behaves. */
export interface PeerOptions {
  readonly api: ApiName;
  /** Tokens of every answer. */
  readonly tokens?: number;
  /** Longest piece that is written at once, bytes. */
  readonly pieceBytes?: number;
  /** Pause before each piece, ms. */
  readonly pauseMillis?: number;
  /** Answers a request in its own way; null leaves it to the API. */
  readonly before?: (body: PeerBody) => Response | null;
}

/** What the peer reads of a request. */
export interface PeerBody {
  readonly path: string;
  readonly authorization: string | null;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A peer that listens. */
export interface Peer extends AsyncDisposable {
  readonly url: string;
  /** Every request so far. */
  readonly requests: readonly PeerBody[];
}

/** Starts a peer on a free port. */
export function startPeer(options: PeerOptions): Peer {
  const requests: PeerBody[] = [];
  const pauses = new Set<Promise<void>>();
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(listen, async (request) => {
    const body = {
      path: new URL(request.url).pathname,
      authorization: request.headers.get("authorization"),
      json: await request.json(),
    };
    requests.push(body);
    return options.before?.(body) ?? answer(options, pauses);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Promise.all(pauses);
    },
  };
}

/** The whole stream of an API as that API's servers write it. */
export function streamText(api: ApiName, tokens: number): string {
  const events = Array.from({ length: tokens }, (_, at) => {
    const event = EVENTS[api](` t${at} \\"é`, at);
    return api === "tgi" && at === tokens - 1 ? lastOfTgi(event, tokens) : event;
  });
  const data = [...(BEFORE[api] ?? []), ...events, ...AFTER[api](tokens)];
  return `: a comment\n\n${data.map((line) => `data: ${line}\n\n`).join("")}`;
}

/** `pauses` are those that still last, also of streams that nobody reads any more. */
function answer(options: PeerOptions, pauses: Set<Promise<void>>): Response {
  const { api, tokens = 3, pieceBytes = Infinity, pauseMillis = 0 } = options;
  const bytes = new TextEncoder().encode(streamText(api, tokens));
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (pauseMillis > 0) {
        const pause = new Promise<void>((resolve) => setTimeout(resolve, pauseMillis));
        pauses.add(pause);
        await pause;
        pauses.delete(pause);
      }
      const end = Math.min(at + pieceBytes, bytes.length);
      controller.enqueue(bytes.slice(at, end));
      at = end;
      if (at === bytes.length) controller.close();
    },
    cancel: () => void (at = bytes.length),
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}

/** Events of a token; texts hold quotes and keys that could be taken for another event's. */
const EVENTS: Readonly<Record<ApiName, (text: string, at: number) => string>> = {
  tgi: (text, at) =>
    `{"index":${at},"token":{"id":${at},"text":"${text}","logprob":-1.0,"special":false},` +
    `"generated_text":null,"details":null}`,
  "openai-completions": (text) =>
    `{"id":"","object":"text_completion","choices":[{"index":0,"text": "${text}\\"text\\":",` +
    `"logprobs":null,"finish_reason":null}]}`,
  "openai-chat": (text) =>
    `{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${text}"}}]}`,
  llamacpp: (text, at) =>
    `{"index":0,"content":"${text}\\"content\\":\\"","tokens":[${at}],"stop":false}`,
};

/** TGI's last token brings the whole text and the details. */
function lastOfTgi(event: string, tokens: number): string {
  const details = `{"finish_reason":"length","generated_tokens":${tokens},"seed":null}`;
  return event.replace(
    `"generated_text":null,"details":null`,
    `"generated_text":"t","details":${details}`,
  );
}

/** Events before the first token. */
const BEFORE: Readonly<Partial<Record<ApiName, readonly string[]>>> = {
  "openai-chat": [`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`],
};

/** Events after the last token, with the server's own count. */
const AFTER: Readonly<Record<ApiName, (tokens: number) => readonly string[]>> = {
  tgi: () => [],
  "openai-completions": (tokens) => [
    `{"choices":[{"index":0,"text":"","finish_reason":"length"}]}`,
    `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":${tokens}}}`,
    "[DONE]",
  ],
  "openai-chat": (tokens) => [
    `{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`,
    `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens": ${tokens}}}`,
    "[DONE]",
  ],
  llamacpp: (tokens) => [
    `{"index":0,"content":"","tokens":[],"stop":true,"tokens_predicted":${tokens},` +
    `"prompt":"the time \\"content\\":\\"of","timings":{"prompt_n":9,"predicted_n":${tokens}}}`,
  ],
};
