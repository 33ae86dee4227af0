import assert from "node:assert/strict";
import { ModelList, OpenAiError } from "../../server/schemas/openai_responses.ts";
import { start } from "./harness.ts";

Deno.test("the list of models is the one that is served", async () => {
  const list = ModelList.parse(await (await start().app.request("/v1/models")).json());
  assert.deepEqual(list.data.map(({ id }) => id), ["fake/model"]);
});

Deno.test("a model is found by its id, also with the slash encoded", async () => {
  for (const id of ["fake/model", "fake%2Fmodel"]) {
    const response = await start().app.request(`/v1/models/${id}`);
    assert.deepEqual([response.status, (await response.json()).id], [200, "fake/model"]);
  }
});

Deno.test("any other model is a 404 in OpenAI's shape", async () => {
  const response = await start().app.request("/v1/models/gpt-4");
  assert.equal(response.status, 404);
  assert.equal(OpenAiError.parse(await response.json()).error.code, "model_not_found");
});

Deno.test("unknown paths and methods under /v1 have OpenAI's error, elsewhere none", async () => {
  const { app } = start();
  const missing = await app.request("/v1/engines");
  assert.equal(missing.status, 404);
  assert.equal(OpenAiError.parse(await missing.json()).error.code, null);
  const wrong = await app.request("/v1/completions");
  assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
  assert.ok(OpenAiError.safeParse(await wrong.json()).success);
  assert.equal(await (await app.request("/engines")).text(), "");
});
