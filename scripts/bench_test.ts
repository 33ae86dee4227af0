import assert from "node:assert/strict";
import fc from "fast-check";
import { summarize } from "./bench.ts";
import { type Load, runRound } from "./bench/load.ts";
import { median, percentile } from "./bench/statistics.ts";

const LAST = 'data: {"token":{"id":1},"generated_text":"ab","details":null}\n\n';
const EVENT = 'data: {"token":{"id":1},"generated_text":null,"details":null}\n\n';

/** Answers each request with these chunks. */
function serve(status: number, chunks: readonly string[]): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  return Deno.serve(options, async (request) => {
    await request.body?.cancel();
    return new Response(ReadableStream.from(chunks).pipeThrough(new TextEncoderStream()), {
      status,
    });
  });
}

function load(server: Deno.HttpServer<Deno.NetAddr>): Load {
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, clients: 3, requests: 2, promptWords: 5, maxNewTokens: 3 };
}

Deno.test("tokens are counted by events, however they are cut into chunks", async () => {
  await using server = serve(200, [EVENT, EVENT + LAST]);
  const round = await runRound(load(server));
  assert.equal(round.ok, 6);
  assert.equal(round.failed, 0);
  assert.equal(round.tokens, 18);
  assert.equal(round.firstTokenMillis.length, 6);
  assert.equal(round.betweenMillis.length, 12);
});

Deno.test("an error status and a stream that ends early are failures", async () => {
  for (const [status, chunks] of [[429, ["{}"]], [200, [EVENT]], [200, []]] as const) {
    await using server = serve(status, chunks);
    const round = await runRound(load(server));
    assert.deepEqual([round.ok, round.failed, round.tokens], [0, 6, 0]);
  }
});

Deno.test("a percentile is a value of the sample with that part at or below it", () => {
  const sample = fc.array(fc.double({ noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(sample, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, p) => {
    const found = percentile(values, p);
    assert.ok(values.includes(found));
    const atOrBelow = values.filter((value) => value <= found).length;
    assert.ok(atOrBelow >= p * values.length);
  }));
  assert.equal(median([3, 1, 2]), 2);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("rounds are put together by their medians", () => {
  const round = { ok: 2, failed: 1, firstTokenMillis: [5], betweenMillis: [1, 2, 3] };
  const summary = summarize([100, 400, 200].map((tokens) => ({ ...round, tokens, millis: 100 })));
  assert.equal(summary.ok, 6);
  assert.equal(summary.failed, 3);
  assert.equal(summary.tokensPerSecond, 2000);
  assert.equal(summary.ttftP99Millis, 5);
  assert.equal(summary.interTokenP50Millis, 2);
});
