import assert from "node:assert/strict";
import { GenerateResponse } from "../../server/schemas/responses.ts";
import { doneRecord } from "../fakes/done_record.ts";
import { post, start, until } from "./harness.ts";

const sampled = { do_sample: true, max_new_tokens: 2 };

async function refusal(parameters: Record<string, unknown>): Promise<string> {
  const { app, engine } = start({ maxBestOf: 2 });
  const response = await post(app, "/generate", { inputs: "a", parameters });
  assert.deepEqual([response.status, engine.requests.length], [422, 0]);
  return (await response.json()).error.replace("Input validation error: ", "");
}

Deno.test("the further generations stand in the details, in TGI's key order", async () => {
  const { app, engine } = start({ maxBestOf: 2 });
  const parameters = { ...sampled, best_of: 2, details: true, decoder_input_details: false };
  const response = await post(app, "/generate", { inputs: "a", parameters });
  const text = await response.text();
  const tokens = '"prefill":[],"tokens":[{"id":11,"text":" one","logprob":-0.1,"special":false},' +
    '{"id":12,"text":" two","logprob":-0.2,"special":false}]';
  const head = '"finish_reason":"length","generated_tokens":2,"seed":42';
  assert.equal(
    text,
    `{"generated_text":" one two","details":{${head},${tokens},` +
      `"best_of_sequences":[{"generated_text":" one two",${head},${tokens}}]}}`,
  );
  assert.ok(GenerateResponse.safeParse(JSON.parse(text)).success);
  assert.equal(engine.requests.length, 2);
});

Deno.test("the likeliest by mean logprob comes first", async () => {
  const { app, engine } = start({ maxBestOf: 3, automatic: false });
  const parameters = { ...sampled, best_of: 3, details: true };
  const pending = post(app, "/generate", { inputs: "a", parameters });
  await until(() => engine.requests.length === 3);
  const [first, second, third] = engine.requests;
  // All share one job: another text and logprob is put in the place of the core's.
  for (
    const [request, text, logprob] of [
      [first, "low", -3],
      [second, "high", -1],
      [third, "middle", -2],
    ] as const
  ) {
    const token = { id: 1, text, logprob, special: false };
    request!.sink.token({ index: 1, last: false, token, top: [] });
    request!.sink.done({ ...ended, generatedText: text });
  }
  const { generated_text, details } = await (await pending).json();
  const others = details.best_of_sequences.map((one: { generated_text: string }) =>
    one.generated_text
  );
  assert.deepEqual([generated_text, ...others], ["high", "middle", "low"]);
});

Deno.test("best_of is refused in TGI's words", async () => {
  assert.equal(await refusal({ best_of: 3 }), "`best_of` must be > 0 and <= 2. Given: 3");
  assert.equal(await refusal({ best_of: 0 }), "`best_of` must be > 0 and <= 2. Given: 0");
  assert.equal(await refusal({ best_of: 2 }), "you must use sampling when `best_of` is > 1");
  assert.equal(
    await refusal({ best_of: 2, do_sample: true, seed: 1 }),
    "`seed` must not be set when `best_of` > 1",
  );
});

Deno.test("any warper that samples is sampling enough", async () => {
  for (const warper of [{ temperature: 0.5 }, { top_k: 3 }, { top_p: 0.5 }, { typical_p: 0.5 }]) {
    const { app } = start({ maxBestOf: 2 });
    const parameters = { best_of: 2, max_new_tokens: 1, ...warper };
    const response = await post(app, "/generate", { inputs: "a", parameters });
    assert.equal(response.status, 200);
    await response.body?.cancel();
  }
});

Deno.test("one generation that fails ends all, and every permit comes back", async () => {
  const { app, engine } = start({ maxBestOf: 2, maxConcurrentRequests: 2 });
  for (let round = 0; round < 3; round += 1) {
    const parameters = { ...sampled, best_of: 2 };
    const failed = await post(app, "/generate", { inputs: "a <fail:1>", parameters });
    assert.equal(failed.status, 424);
    await failed.body?.cancel();
  }
  assert.ok(engine.requests.every(({ state }) => state === "failed" || state === "cancelled"));
});

Deno.test("with too few permits best_of is a 429 and takes none", async () => {
  const { app } = start({ maxBestOf: 2, maxConcurrentRequests: 1 });
  for (const [best_of, status] of [[2, 429], [1, 200]]) {
    const parameters = { ...sampled, best_of };
    const response = await post(app, "/generate", { inputs: "a", parameters });
    assert.equal(response.status, status);
    await response.body?.cancel();
  }
});

const ended = doneRecord({ seed: 1n });
