import assert from "node:assert/strict";
import { GenerateResponse, StreamResponse } from "../../server/schemas/responses.ts";
import { post, start } from "./harness.ts";

const ACCOUNTING = {
  queue_time: 3,
  prefill_time: 4,
  decode_time: 6.9,
  cached_tokens: 0,
  drafted_tokens: 0,
  accepted_tokens: 0,
};

const body = (parameters: Record<string, unknown>) => ({
  inputs: "a",
  parameters: { max_new_tokens: 2, ...parameters },
});

Deno.test("details say where time and tokens went only when asked, and asking brings details", async () => {
  const { app } = start();
  const details = async (parameters: Record<string, unknown>) => {
    const reply = await (await post(app, "/generate", body(parameters))).json();
    return GenerateResponse.parse(reply).details;
  };
  assert.deepEqual((await details({ accounting: true }))?.accounting, ACCOUNTING);
  const both = await details({ accounting: true, details: true, top_n_tokens: 1 });
  assert.deepEqual(Object.keys(both ?? {}).slice(-2), ["top_tokens", "accounting"]);
  for (const accounting of [false, null]) {
    assert.equal(await details({ accounting }), undefined);
    assert.ok(!("accounting" in (await details({ accounting, details: true }) ?? {})));
  }
});

Deno.test("the last event of a stream says so, too, and no other", async () => {
  const { app } = start();
  const response = await post(app, "/generate_stream", body({ accounting: true }));
  const events = (await response.text()).trim().split("\n\n")
    .map((event) => StreamResponse.parse(JSON.parse(event.slice("data: ".length))));
  assert.deepEqual(events.map(({ details }) => details?.accounting), [undefined, ACCOUNTING]);
});

Deno.test("each sequence of best_of has its own", async () => {
  const { app } = start({ maxBestOf: 2 });
  const parameters = { accounting: true, best_of: 2, do_sample: true };
  const reply = await (await post(app, "/generate", body(parameters))).json();
  const { details } = GenerateResponse.parse(reply);
  const others = details?.best_of_sequences?.map(({ accounting }) => accounting);
  assert.deepEqual([details?.accounting, others], [ACCOUNTING, [ACCOUNTING]]);
});

Deno.test("whole answers of /v1 have the headers of their first generation", async () => {
  const { app } = start();
  const response = await post(app, "/v1/completions", { prompt: "a", max_tokens: 2, n: 2 });
  await response.body?.cancel();
  const names = ["x-queue-time", "x-prefill-time", "x-decode-time", "x-cached-tokens"];
  assert.deepEqual(names.map((name) => response.headers.get(name)), ["3", "4", "6", "0"]);
});
