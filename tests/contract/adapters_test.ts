import assert from "node:assert/strict";
import type { GenerateJob } from "../../ffi/types.ts";
import { post, start } from "./harness.ts";

const ADAPTERS = ["org/polite", "brief"];

/** The jobs that came of one body. */
async function jobsOf(path: string, body: unknown): Promise<readonly GenerateJob[]> {
  const { app, engine } = start({ adapters: ADAPTERS, maxBestOf: 2 });
  const response = await post(app, path, body);
  assert.equal(response.status, 200, await response.text());
  return engine.requests.map(({ job }) => job);
}

const places = (jobs: readonly GenerateJob[]) => jobs.map(({ adapter }) => adapter ?? null);

Deno.test("native routes choose an adapter by adapter_id", async () => {
  for (const path of ["/", "/generate", "/generate_stream", "/invocations"]) {
    const ask = async (adapter_id: string | null) =>
      places(await jobsOf(path, { inputs: "a", parameters: { adapter_id, max_new_tokens: 2 } }));
    assert.deepEqual(await ask("brief"), [1], path);
    assert.deepEqual(await ask("org/polite"), [0], path);
    assert.deepEqual(await ask(null), [null], path);
  }
});

Deno.test("every generation of best_of has the adapter", async () => {
  const parameters = { adapter_id: "brief", best_of: 2, do_sample: true, max_new_tokens: 2 };
  assert.deepEqual(places(await jobsOf("/generate", { inputs: "a", parameters })), [1, 1]);
});

Deno.test("vertex instances choose each their own", async () => {
  const instances = [
    { inputs: "a", parameters: { adapter_id: "brief", max_new_tokens: 2 } },
    { messages: [{ role: "user", content: "b" }], model: "org/polite", max_tokens: 2 },
    { inputs: "c", parameters: { max_new_tokens: 2 } },
  ];
  assert.deepEqual(places(await jobsOf("/vertex", { instances })), [1, 0, null]);
});

Deno.test("an unknown adapter_id is a 422 that names those loaded", async () => {
  const { app, engine } = start({ adapters: ADAPTERS });
  for (const path of ["/generate", "/generate_stream"]) {
    const response = await post(app, path, { inputs: "a", parameters: { adapter_id: "x" } });
    assert.equal(response.status, 422);
    assert.deepEqual(await response.json(), {
      error: "Input validation error: unknown adapter `x`: those loaded are `org/polite`, `brief`",
      error_type: "validation",
    });
  }
  assert.deepEqual(engine.requests, []);
});

Deno.test("the routes of OpenAI choose by model, and the answer names who answered", async () => {
  const messages = [{ role: "user", content: "a" }];
  for (
    const [path, body] of [
      ["/v1/completions", { prompt: ["a", "b"], max_tokens: 2 }],
      ["/v1/chat/completions", { messages, n: 2, max_tokens: 2 }],
    ] as const
  ) {
    for (const [model, adapter, named] of [["brief", 1, "brief"], ["gpt", null, "org/model"]]) {
      const { app, engine } = start({ adapters: ADAPTERS, modelId: "org/model" });
      const whole = await post(app, path, { ...body, model });
      assert.equal((await whole.json()).model, named);
      assert.deepEqual(places(engine.requests.map(({ job }) => job)), [adapter, adapter]);
      const streamed = await post(app, path, { ...body, model, stream: true });
      assert.ok((await streamed.text()).includes(`"model":"${named}"`));
    }
  }
});

Deno.test("what is loaded stands in /info and /v1/models", async () => {
  const { app } = start({ adapters: ADAPTERS, modelId: "org/model" });
  assert.deepEqual((await (await app.request("/info")).json()).adapters, ADAPTERS);
  const { data } = await (await app.request("/v1/models")).json();
  assert.deepEqual(data.map(({ id }: { id: string }) => id), ["org/model", ...ADAPTERS]);
  const one = await (await app.request("/v1/models/org/polite")).json();
  assert.deepEqual([one.id, one.owned_by], ["org/polite", "org/model"]);
  assert.equal((await app.request("/v1/models/x")).status, 404);
});
