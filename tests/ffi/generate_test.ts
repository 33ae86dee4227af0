import { deepEqual, equal, match, ok } from "node:assert/strict";
import { job, openEngine, start } from "./support.ts";

Deno.test("a request runs to its end and its text is that of its tokens", async () => {
  await using engine = await openEngine();
  const request = start(engine, job("What is it?", 20));
  const end = await request.success();
  equal(end.finishReason, "length");
  equal(end.generatedTokens, 20);
  equal(end.seed, null);
  deepEqual(request.tokens.map(({ index }) => index), Array.from({ length: 20 }, (_, i) => i + 1));
  equal(
    request.tokens.filter(({ token }) => !token.special).map(({ token }) => token.text).join(""),
    end.generatedText,
  );
  equal(request.accepts.length, 1);
  equal(request.accepts[0]?.promptTokens, end.promptTokens);
  equal(request.accepts[0]?.maxNewTokens, 20);
  ok(request.flushes >= 1 && request.flushes <= 22);
});

Deno.test("equal requests give equal tokens, alone and in a crowd of 64", async () => {
  await using engine = await openEngine();
  const alone = start(engine, job("What is it?", 30, { seed: 7n, do_sample: true }));
  await alone.success();
  const crowd = Array.from(
    { length: 64 },
    (_, index) =>
      start(engine, job("What is it?", 30, { seed: BigInt(index % 8), do_sample: true })),
  );
  await Promise.all(crowd.map((request) => request.success()));
  const ids = (request: typeof alone) => request.tokens.map(({ token }) => token.id);
  for (const request of crowd.filter((_, index) => index % 8 === 7)) {
    deepEqual(ids(request), ids(alone));
  }
  equal(new Set(crowd.map((request) => ids(request).join())).size, 8);
});

Deno.test("a seed comes back with all its digits", async () => {
  await using engine = await openEngine();
  for (const seed of [0n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    const end = await start(engine, job("a", 3, { seed, do_sample: true })).success();
    equal(end.seed, seed);
  }
  const drawn = await start(engine, job("a", 3, { do_sample: true })).success();
  equal(typeof drawn.seed, "bigint");
});

Deno.test("prompt tokens and the most likely tokens come when asked for", async () => {
  await using engine = await openEngine();
  const request = start(
    engine,
    job("the time", 4, { decoder_input_details: true, top_n_tokens: 3 }),
  );
  const end = await request.success();
  equal(request.prompt.length, end.promptTokens);
  ok(Number.isNaN(request.prompt[0]?.logprob));
  ok(request.prompt.slice(1).every(({ logprob }) => logprob < 0));
  equal(
    request.prompt.filter(({ special }) => !special).map(({ text }) => text).join(""),
    "the time",
  );
  for (const { token, top } of request.tokens) {
    ok(top.length >= 3);
    equal(top[0]?.id, token.id);
  }
});

Deno.test("a prompt of any characters reaches the core unharmed", async () => {
  await using engine = await openEngine();
  const inputs = 'q "\\ \u0000 日本 🙂 end';
  const request = start(engine, job(inputs, 1, { decoder_input_details: true }));
  await request.success();
  const text = request.prompt.filter(({ special }) => !special).map(({ text }) => text).join("");
  equal(text, inputs);
});

Deno.test("a prompt longer than a record comes in pieces, in order", async () => {
  await using engine = await openEngine();
  const request = start(engine, job("xq".repeat(3000), 2, { decoder_input_details: true }));
  const end = await request.success();
  equal(request.prompt.length, end.promptTokens);
  equal(request.prompt.slice(1).map(({ text }) => text).join(""), "xq".repeat(3000));
});

Deno.test("a request that cannot fit fails in validation", async () => {
  await using engine = await openEngine({ maxTotalTokens: 64 });
  const failure = await start(engine, job("a", 100)).failure();
  equal(failure.kind, "validation");
  match(failure.message, /must be <= 64\. Given: \d+ `inputs` tokens and 100 `max_new_tokens`/);
});

Deno.test("the last token says so, also where its end is a poll behind", async () => {
  await using engine = await openEngine();
  // 60 tokens with 512 others each are more than the buffer of a poll holds.
  const requests = Array.from(
    { length: 60 },
    () => start(engine, job("What is it?", 2, { top_n_tokens: 512 })),
  );
  await Promise.all(requests.map((request) => request.success()));
  ok(requests.some(({ flushedBetween }) => flushedBetween), "no step was cut");
  for (const { tokens } of requests) deepEqual(tokens.map(({ last }) => last), [false, true]);
});
