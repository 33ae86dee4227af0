/**
 * A closed loop of streaming clients: each sends its next request when its last one has ended.
 * Little is done for each token, since the clients share the machine with the server.
 */

/** What is sent, and how often. */
export interface Load {
  /** Address of the server, without a path. */
  readonly url: string;
  readonly clients: number;
  /** Requests of each client in a round. */
  readonly requests: number;
  /** Words of the prompt: about as many tokens. */
  readonly promptWords: number;
  readonly maxNewTokens: number;
}

/** What one round showed. */
export interface Round {
  readonly ok: number;
  readonly failed: number;
  /** Tokens of the requests that went well. */
  readonly tokens: number;
  /** Length of the round, ms. */
  readonly millis: number;
  /** Time to the first token of each request, ms. */
  readonly firstTokenMillis: readonly number[];
  /**
   * Time between tokens that follow each other, ms. Tokens that arrive together share the time
   * since the ones before; those that come with the first token took none.
   */
  readonly betweenMillis: readonly number[];
}

/** Runs one round. */
export async function runRound(load: Load): Promise<Round> {
  const round = { ok: 0, failed: 0, tokens: 0, firstTokenMillis: [], betweenMillis: [] };
  const started = performance.now();
  await Promise.all(Array.from({ length: load.clients }, async () => {
    for (let done = 0; done < load.requests; done++) await runRequest(load, round);
  }));
  return { ...round, millis: performance.now() - started };
}

interface Growing {
  ok: number;
  failed: number;
  tokens: number;
  readonly firstTokenMillis: number[];
  readonly betweenMillis: number[];
}

async function runRequest(load: Load, round: Growing): Promise<void> {
  const started = performance.now();
  try {
    const response = await fetch(new URL("/generate_stream", load.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        inputs: prompt(load.promptWords),
        parameters: { max_new_tokens: load.maxNewTokens },
      }),
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`status ${response.status}`);
    }
    const tokens = await readStream(response.body, started, round);
    round.tokens += tokens;
    round.ok += 1;
  } catch {
    round.failed += 1;
  }
}

/** Counts the events of a stream and their times; the number of tokens. */
async function readStream(
  body: ReadableStream<Uint8Array>,
  started: number,
  round: Growing,
): Promise<number> {
  const between: number[] = [];
  let first = 0;
  let last = started;
  let tokens = 0;
  let tail: readonly Uint8Array[] = [];
  for await (const chunk of body) {
    const now = performance.now();
    const events = countEvents(chunk);
    for (let event = 0; event < events; event++) {
      if (tokens + event === 0) first = now - started;
      else between.push(tokens === 0 ? 0 : (now - last) / events);
    }
    tokens += events;
    if (events > 0) last = now;
    tail = [...tail.slice(-1), chunk];
  }
  const end = tail.map((chunk) => new TextDecoder().decode(chunk)).join("");
  if (tokens === 0 || !end.includes('"generated_text":"')) throw new Error("incomplete stream");
  round.firstTokenMillis.push(first);
  for (const millis of between) round.betweenMillis.push(millis);
  return tokens;
}

const NEWLINE = 10;

/** An event ends with an empty line; JSON has no raw newline. */
function countEvents(chunk: Uint8Array): number {
  let events = 0;
  for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 2)) {
    if (chunk[at + 1] === NEWLINE) events += 1;
  }
  return events;
}

const WORDS = "the time of all people is with this good work and many other things that we know";
const VOCABULARY = WORDS.split(" ");

/** Random words, so that no prompt begins like another. */
function prompt(words: number): string {
  const pick = () => VOCABULARY[Math.floor(Math.random() * VOCABULARY.length)];
  return Array.from({ length: Math.max(words, 1) }, pick).join(" ");
}
