import assert from "node:assert/strict";
import fc from "fast-check";
import { type PeerOptions, startPeer } from "../../tests/fakes/peer.ts";
import { API_NAMES, APIS } from "./api.ts";
import { type Completed, RequestFailure, runRequest } from "./request.ts";

const ASK = { prompt: "a b", maxNewTokens: 5, model: "m", ignoreEos: true, reusePrefix: false };

async function ask(
  url: string,
  api: PeerOptions["api"],
  signal: AbortSignal = new AbortController().signal,
): Promise<Completed> {
  return await runRequest({
    api: APIS[api],
    url: new URL(APIS[api].path, url),
    headers: { "content-type": "application/json" },
    body: JSON.stringify(APIS[api].body(ASK)),
    maxNewTokens: ASK.maxNewTokens,
    signal,
    dueMillis: performance.now(),
  });
}

/** The kind under which a request fails. */
async function failure(options: PeerOptions): Promise<string> {
  await using peer = startPeer(options);
  const error = await ask(peer.url, options.api).catch((error) => error);
  assert.ok(error instanceof RequestFailure, String(error));
  return error.message;
}

/** A peer that answers every request with this. */
function answering(body: string, status = 200): PeerOptions {
  return { api: "tgi", before: () => new Response(body, { status }) };
}

for (const api of API_NAMES) {
  Deno.test(`${api}: a stream is counted and timed, however it is cut`, async () => {
    const sizes = fc.integer({ min: 1, max: 400 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 6 }), async (pieceBytes, tokens) => {
        await using peer = startPeer({ api, tokens, pieceBytes });
        const completed = await ask(peer.url, api);
        assert.equal(completed.tokens, tokens);
        assert.equal(completed.endedEarly, tokens < 5);
        assert.equal(completed.betweenMillis.length, tokens - 1);
        const between = completed.betweenMillis.reduce((sum, millis) => sum + millis, 0);
        assert.ok(completed.firstTokenMillis + between <= completed.endToEndMillis + 1e-6);
        assert.ok(completed.betweenMillis.every((millis) => millis >= 0));
        assert.equal(peer.requests[0]?.path, APIS[api].path);
      }),
      { numRuns: 15 },
    );
  });
}

Deno.test("each API is asked for as many tokens as are wanted, greedily", async () => {
  const bodies: Record<string, unknown> = {};
  for (const api of API_NAMES) {
    await using peer = startPeer({ api });
    await ask(peer.url, api);
    bodies[api] = peer.requests[0]?.json;
  }
  const openAi = {
    model: "m",
    max_tokens: 5,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ignore_eos: true,
  };
  assert.deepEqual(bodies, {
    tgi: {
      inputs: "a b",
      parameters: { max_new_tokens: 5, details: true, ignore_eos: true },
    },
    "openai-completions": { ...openAi, prompt: "a b" },
    "openai-chat": { ...openAi, messages: [{ role: "user", content: "a b" }] },
    llamacpp: {
      prompt: "a b",
      n_predict: 5,
      temperature: 0,
      cache_prompt: false,
      ignore_eos: true,
      stream: true,
    },
  });
});

Deno.test("the server's own count wins over the events", async () => {
  const event = 'data: {"token":{"id":1},"generated_text":';
  const end = `${event}"ab","details":{"finish_reason":"length","generated_tokens":7}}\n\n`;
  await using peer = startPeer(answering(`${event}null}\n\n${end}`));
  const completed = await ask(peer.url, "tgi");
  assert.equal(completed.tokens, 7);
  assert.equal(completed.endedEarly, false);
});

Deno.test("a status is a failure with the server's words", async () => {
  const overloaded = '{"error":"Model is overloaded","error_type":"overloaded"}';
  assert.equal(await failure(answering(overloaded, 429)), "status 429: Model is overloaded");
  const openAi = '{"error":{"code":404,"message":"no \\"such\\" model","type":"x"}}';
  assert.equal(await failure(answering(openAi, 404)), 'status 404: no "such" model');
  assert.equal(await failure(answering("<h1>Bad Gateway</h1>", 502)), "status 502");
});

Deno.test("a stream that breaks off or ends in an error is a failure", async () => {
  const event = 'data: {"token":{"id":1},"generated_text":null}\n\n';
  assert.equal(await failure(answering(event)), "stream ended early");
  assert.equal(await failure(answering("")), "stream ended early");
  const error = 'data: {"error":"Incomplete generation","error_type":"incomplete_generation"}\n\n';
  assert.equal(
    await failure(answering(event + error)),
    "error in the stream: Incomplete generation",
  );
});

Deno.test("a server that is not there and one that goes away are told apart", async () => {
  const peer = startPeer({ api: "tgi" });
  const { url } = peer;
  await peer[Symbol.asyncDispose]();
  await assert.rejects(ask(url, "tgi"), { message: "connection refused" });
  await assert.rejects(ask("http://refused.invalid", "tgi"), { message: "unknown host" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closing = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const address = `http://127.0.0.1:${listener.addr.port}`;
  await assert.rejects(ask(address, "tgi"), { message: "connection lost" });
  listener.close();
  await closing;
});

Deno.test("a request that is called off fails with the signal's reason", async () => {
  await using peer = startPeer({ api: "tgi", tokens: 50, pieceBytes: 100, pauseMillis: 2 });
  const stop = new AbortController();
  const asked = ask(peer.url, "tgi", stop.signal);
  while (peer.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await assert.rejects(asked, { name: "AbortError" });
});
