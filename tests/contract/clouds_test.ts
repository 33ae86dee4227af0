import assert from "node:assert/strict";
import { ChatCompletion, Completion } from "../../server/schemas/openai_responses.ts";
import { post, start, summary } from "./harness.ts";

const messages = [{ role: "user", content: "hi" }];

Deno.test("/invocations with inputs answers as POST /", async () => {
  const { app } = start();
  const body = { inputs: "a", parameters: { max_new_tokens: 1 } };
  assert.equal(
    await summary(await post(app, "/invocations", body)),
    '200 application/json\n[{"generated_text":"a one"}]',
  );
  const streamed = await post(app, "/invocations", { ...body, stream: true });
  assert.match(await summary(streamed), /^200 text\/event-stream\ndata: \{"index":1/);
});

Deno.test("/invocations with messages is a chat, with a prompt a completion", async () => {
  const { app } = start();
  const chat = await post(app, "/invocations", { messages, max_tokens: 1 });
  ChatCompletion.parse(await chat.json());
  const completion = await post(app, "/invocations", { prompt: "a", max_tokens: 1 });
  Completion.parse(await completion.json());
  const streamed = await post(app, "/invocations", { messages, max_tokens: 1, stream: true });
  assert.match(await streamed.text(), /data: \[DONE\]\n\n$/);
});

Deno.test("/invocations refuses in TGI's shape and gives its permit back", async () => {
  const { app } = start({ maxConcurrentRequests: 1 });
  for (const body of [{}, { inputs: 1 }, { messages: 1 }, { prompt: 1 }, { prompt: "" }]) {
    const response = await post(app, "/invocations", body);
    assert.equal(response.status, 422, JSON.stringify(body));
    assert.equal((await response.json()).error_type, "validation");
  }
  const fine = await post(app, "/invocations", { inputs: "a" });
  assert.equal(fine.status, 200);
  await fine.body?.cancel();
});

Deno.test("/vertex answers its instances in their order", async () => {
  const { app, engine } = start();
  const instances = [
    { inputs: "a", parameters: { max_new_tokens: 1, temperature: 0.5 } },
    { messages, max_tokens: 2 },
  ];
  const response = await post(app, "/vertex", { instances });
  assert.deepEqual(await response.json(), { predictions: [" one", " one two"] });
  assert.equal(engine.requests[0]?.job.parameters.temperature, 0.5);
});

Deno.test("/vertex refuses no instances, too many, and what it cannot read", async () => {
  const { app } = start({ maxConcurrentRequests: 1 });
  const many = Array(5).fill({ inputs: "a" });
  for (const instances of [[], many, [{}], [{ inputs: "" }], [{ messages: [] }], [3]]) {
    const response = await post(app, "/vertex", { instances });
    assert.equal(response.status, 422, JSON.stringify(instances));
    await response.body?.cancel();
  }
  const failed = await post(app, "/vertex", { instances: [{ inputs: "<fail:1>" }] });
  assert.equal(failed.status, 424);
  await failed.body?.cancel();
  const fine = await post(app, "/vertex", { instances: [{ inputs: "a" }] });
  assert.equal(fine.status, 200);
  await fine.body?.cancel();
});
