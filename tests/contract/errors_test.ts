import assert from "node:assert/strict";
import { OverloadedError } from "../../server/errors.ts";
import { post, start, summary } from "./harness.ts";

const failures = [
  {
    inputs: "",
    status: 422,
    body: '{"error":"Input validation error: `inputs` cannot be empty","error_type":"validation"}',
  },
  {
    inputs: "<reject>",
    status: 422,
    body: '{"error":"Input validation error: `inputs` must have less than 32 tokens. Given: 33",' +
      '"error_type":"validation"}',
  },
  {
    inputs: "<fail:0>",
    status: 424,
    body: '{"error":"Request failed during generation: Server error: scripted failure",' +
      '"error_type":"generation"}',
  },
  {
    inputs: "<incomplete:0>",
    status: 500,
    body: '{"error":"Incomplete generation","error_type":"incomplete_generation"}',
  },
];

const events = { accept: "text/event-stream" };

for (const { inputs, status, body } of failures) {
  Deno.test(`a whole answer to "${inputs}" is ${status} and JSON, whatever is accepted`, async () => {
    const { app } = start();
    for (const headers of [{}, events]) {
      const response = await post(app, "/generate", { inputs }, headers);
      assert.equal(await summary(response), `${status} application/json\n${body}`);
    }
  });

  Deno.test(`a stream of "${inputs}" is ${status} before its first event`, async () => {
    for (const [path, extra] of [["/generate_stream", {}], ["/", { stream: true }]] as const) {
      const { app } = start();
      const request = { inputs, ...extra };
      assert.equal(
        await summary(await post(app, path, request)),
        `${status} application/json\n${body}`,
      );
      assert.equal(
        await summary(await post(app, path, request, events)),
        `${status} text/event-stream\ndata: ${body}\n\n`,
      );
    }
  });

  Deno.test(`TGI's own stream of "${inputs}" is 200 and an event`, async () => {
    const { app } = start({ streamErrorsAsEvents: true });
    assert.equal(
      await summary(await post(app, "/generate_stream", { inputs })),
      `200 text/event-stream\ndata: ${body}\n\n`,
    );
  });
}

Deno.test("an error after the first event is an event, then the end", async () => {
  const { app } = start();
  const response = await post(app, "/generate_stream", { inputs: "<fail:1>" });
  assert.equal(
    await summary(response),
    "200 text/event-stream\n" +
      'data: {"index":1,"token":{"id":11,"text":" one","logprob":-0.1,"special":false},' +
      '"generated_text":null,"details":null}\n\n' +
      'data: {"error":"Request failed during generation: Server error: scripted failure",' +
      '"error_type":"generation"}\n\n',
  );
});

Deno.test("a core that stops ends its streams with an event", async () => {
  const { app, engine } = start({ automatic: false });
  const pending = post(app, "/generate_stream", { inputs: "a" });
  while (engine.requests.length === 0) await Promise.resolve();
  engine.step();
  const response = await pending;
  await engine.close();
  assert.match(
    await response.text(),
    /\n\ndata: \{"error":"Incomplete generation","error_type":"incomplete_generation"\}\n\n$/,
  );
});

Deno.test("a body that is no request keeps its status even with TGI's stream errors", async () => {
  const { app } = start({ streamErrorsAsEvents: true });
  const statuses = [];
  for (const body of ["{", "{}"]) {
    statuses.push((await post(app, "/generate_stream", body)).status);
  }
  assert.deepEqual(statuses, [400, 422]);
});

Deno.test("a body that is no request is an event where events are accepted", async () => {
  const { app } = start();
  assert.match(
    await summary(await post(app, "/generate_stream", "{", events)),
    /^400 text\/event-stream\ndata: \{"error":"Failed to parse .*,"error_type":"validation"\}\n\n$/,
  );
});

Deno.test("a core whose queue is full is a 429", async () => {
  const { app, engine } = start();
  engine.refusal = new OverloadedError();
  for (const path of ["/generate", "/generate_stream", "/"]) {
    assert.equal(
      await summary(await post(app, path, { inputs: "a" })),
      '429 application/json\n{"error":"Model is overloaded","error_type":"overloaded"}',
    );
  }
});

Deno.test("an error that nobody foresaw does not tell its text", async () => {
  const { app, engine } = start();
  engine.refusal = new Error("secret at 0x1234");
  for (const path of ["/generate", "/generate_stream"]) {
    assert.equal(
      await summary(await post(app, path, { inputs: "a" })),
      '500 application/json\n{"error":"Incomplete generation",' +
        '"error_type":"incomplete_generation"}',
    );
  }
});
