/** One request: sent, its stream read and timed, its failure named. */

import type { Api } from "./api.ts";
import { EventScanner } from "./event_scanner.ts";

/** A request that ended well. */
export interface Completed {
  readonly tokens: number;
  /** It has fewer tokens than were asked for. */
  readonly endedEarly: boolean;
  /** Time to the first token, ms. */
  readonly firstTokenMillis: number;
  /**
   * Time between tokens that follow each other, ms. Tokens that arrive together share the time
   * since the ones before; those that come with the first token took none.
   */
  readonly betweenMillis: readonly number[];
  /** Time to the end of the stream, ms. */
  readonly endToEndMillis: number;
}

/** A request as it goes over the wire. */
export interface Exchange {
  readonly api: Api;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly maxNewTokens: number;
  readonly signal: AbortSignal;
  /** When it was due, ms of `performance.now()`: lateness of the client counts as latency. */
  readonly dueMillis: number;
}

/** A failure with the kind under which it is counted. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
}

/** Longest end of a stream that is read as text, bytes: more than the last events take. */
const TAIL_BYTES = 8192;

/** Longest message of a server that becomes part of a kind, characters. */
const MESSAGE_LENGTH = 120;

/**
 * Runs one request to its end.
 *
 * @throws RequestFailure when it did not end well; the signal's reason when that was aborted.
 */
export async function runRequest(exchange: Exchange): Promise<Completed> {
  const { url, headers, body, signal } = exchange;
  try {
    const response = await fetch(url, { method: "POST", headers, body, signal });
    if (!response.ok) throw await statusFailure(response);
    if (response.body === null) throw new RequestFailure("empty answer");
    return await readStream(response.body, exchange);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RequestFailure) throw error;
    throw new RequestFailure(connectionFailure(error), { cause: error });
  }
}

async function readStream(
  body: ReadableStream<Uint8Array>,
  { api, dueMillis, maxNewTokens }: Exchange,
): Promise<Completed> {
  const scanner = new EventScanner(api.token);
  const tail = new Tail();
  const between: number[] = [];
  let first = 0;
  let last = dueMillis;
  let tokens = 0;
  for await (const chunk of body) {
    const now = performance.now();
    tail.push(chunk);
    const arrived = scanner.push(chunk);
    if (arrived === 0) continue;
    if (tokens === 0) first = now - dueMillis;
    const share = tokens === 0 ? 0 : (now - last) / arrived;
    for (let token = tokens === 0 ? 1 : 0; token < arrived; token++) between.push(share);
    tokens += arrived;
    last = now;
  }
  const end = tail.text();
  if (tokens === 0 || !api.end.test(end)) throw streamFailure(end);
  const counted = toldTokens(api, end) ?? tokens;
  return {
    tokens: counted,
    endedEarly: counted < maxNewTokens,
    firstTokenMillis: first,
    betweenMillis: between,
    endToEndMillis: performance.now() - dueMillis,
  };
}

/** The last bytes of a stream. */
class Tail {
  #chunks: Uint8Array[] = [];
  #length = 0;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length - (this.#chunks[0]?.length ?? 0) >= TAIL_BYTES) {
      this.#length -= this.#chunks.shift()?.length ?? 0;
    }
  }

  text(): string {
    const decoder = new TextDecoder();
    return this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") +
      decoder.decode();
  }
}

/** The server's own count: an event may carry no text, or more than one token. */
function toldTokens({ count }: Api, end: string): number | null {
  const told = Number([...end.matchAll(count)].at(-1)?.[1]);
  return told > 0 ? told : null;
}

async function statusFailure(response: Response): Promise<RequestFailure> {
  const message = serverMessage(await response.text());
  return new RequestFailure(`status ${response.status}${message === null ? "" : `: ${message}`}`);
}

function streamFailure(end: string): RequestFailure {
  const message = serverMessage(end);
  return new RequestFailure(
    message === null ? "stream ended early" : `error in the stream: ${message}`,
  );
}

/** The message in `{"error":"…"}` or `{"error":{"message":"…"}}`. */
function serverMessage(text: string): string | null {
  const found = /"error":\s*(?:\{(?:[^{}]*,)?\s*"message":\s*)?("(?:[^"\\]|\\.)*")/.exec(text);
  if (found?.[1] === undefined) return null;
  try {
    return String(JSON.parse(found[1])).slice(0, MESSAGE_LENGTH);
  } catch {
    return null;
  }
}

/** What went wrong below HTTP, in a few words that are the same for every request. */
function connectionFailure(error: unknown): string {
  const text = withCauses(error).replace(/ for url \([^)]*\)/, "");
  if (/refused/i.test(text)) return "connection refused";
  if (/dns|lookup/i.test(text)) return "unknown host";
  if (/certificate|tls|handshake/i.test(text)) return "TLS failed";
  if (/\(Connect\)/.test(text)) return "no connection";
  if (/connection|body|closed|reset|eof/i.test(text)) return "connection lost";
  return text.slice(0, MESSAGE_LENGTH);
}

function withCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${withCauses(error.cause)}`;
}
