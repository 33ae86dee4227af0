/** Answers by a running server, over `/generate_stream`. */

import { EventSourceParserStream } from "eventsource-parser/stream";
import { encodeExact } from "../../ffi/job.ts";
import type { FinishReason } from "../../ffi/types.ts";
import { StartError } from "../errors.ts";
import { type Answer, type Answerer, type Question, Stopwatch } from "./answer.ts";

/** What is read of an event of TGI's stream. */
interface StreamEvent {
  readonly token?: { readonly text: string; readonly special: boolean };
  readonly generated_text?: string | null;
  readonly details?: { readonly finish_reason: FinishReason; readonly generated_tokens: number };
  readonly error?: string;
}

/**
 * Answers by the server at `url`; the key and the name of an adapter are sent when they are not
 * null.
 */
export function fromServer(
  url: string,
  apiKey: string | null,
  adapterId: string | null = null,
): Answerer {
  return async (question, onText, signal) => {
    const reader = new EventReader(onText);
    try {
      const asked = { ...question.parameters, adapter_id: adapterId };
      const response = await ask(url, apiKey, { ...question, parameters: asked }, signal);
      const events = response
        // Here too: Deno may forget the signal of a request whose head is there.
        .pipeThrough(new TextDecoderStream(), { signal })
        .pipeThrough(new EventSourceParserStream());
      for await (const { data } of events) reader.read(url, data);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return reader.answer(url, signal.aborted);
  };
}

async function ask(
  url: string,
  apiKey: string | null,
  { inputs, parameters }: Question,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const response = await fetch(address(url), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: encodeExact({ inputs, parameters: { ...parameters, details: true } }),
    signal,
  }).catch((error) => {
    if (signal.aborted) throw error;
    throw failure(url, "it does not answer; check --url and that the server runs", error);
  });
  if (response.ok && response.body !== null) return response.body;
  throw failure(url, `${response.status} ${await reasonOf(response)}`);
}

function address(url: string): URL {
  const base = URL.parse(url.endsWith("/") ? url : `${url}/`);
  if (base !== null && /^https?:$/.test(base.protocol)) return new URL("generate_stream", base);
  throw failure(url, "it is no address; give one such as http://127.0.0.1:3000");
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text.slice(0, 200) || response.statusText;
  }
}

function failure(url: string, reason: string, cause?: unknown): StartError {
  return new StartError(`Cannot generate by the server at ${url}: ${reason}.`, 1, { cause });
}

/** Gathers the answer out of the events. */
class EventReader {
  readonly #watch = new Stopwatch();
  readonly #onText: (text: string) => void;
  #text = "";
  #tokens = 0;
  #end: StreamEvent["details"] | null = null;

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  read(url: string, data: string): void {
    const event = JSON.parse(data) as StreamEvent;
    if (event.error !== undefined) throw failure(url, event.error);
    if (event.token !== undefined) {
      this.#watch.token();
      this.#tokens += 1;
      if (!event.token.special) this.#tell(event.token.text);
    }
    if (event.generated_text?.startsWith(this.#text)) {
      this.#tell(event.generated_text.slice(this.#text.length));
    }
    if (event.details) this.#end = event.details;
  }

  /** @throws StartError when the stream ended before the text, and nobody had stopped it. */
  answer(url: string, stopped: boolean): Answer {
    if (this.#end === null && !stopped) throw failure(url, "the stream ended before the text");
    return {
      text: this.#text,
      finishReason: this.#end?.finish_reason ?? null,
      promptTokens: null,
      generatedTokens: this.#end?.generated_tokens ?? this.#tokens,
      seed: null,
      ...this.#watch.times(),
    };
  }

  #tell(text: string): void {
    if (text === "") return;
    this.#text += text;
    this.#onText(text);
  }
}
