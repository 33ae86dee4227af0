import assert from "node:assert/strict";
import { assembled, CHAT, chat, chatBody, chatChunks, chatRefusal } from "./chat_support.ts";
import { post, start, until } from "./harness.ts";

Deno.test("a chat has OpenAI's keys in OpenAI's order", async () => {
  const response = await post(start().app, CHAT, chatBody());
  assert.match(
    await response.text(),
    new RegExp(
      '^{"id":"chatcmpl-[0-9a-f]{32}","object":"chat.completion","created":\\d+,' +
        '"model":"fake/model","system_fingerprint":"0.1.0-native","choices":\\[{"index":0,' +
        '"message":{"role":"assistant","content":" one two three"},"logprobs":null,' +
        '"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":3,' +
        '"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}}$',
    ),
  );
});

Deno.test("a stream begins with the role, and says no more than the whole answer", async () => {
  const chunks = await chatChunks(start());
  assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: "assistant", content: "" });
  assert.ok(chunks.slice(1).every(({ choices }) => choices[0]?.delta.role === undefined));
  assert.deepEqual(assembled(chunks), {
    content: " one two three",
    reasoning: "",
    calls: [],
    finish: "length",
  });
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
});

Deno.test("the prompt is the template's, and the tokenizer adds nothing to it", async () => {
  const server = start();
  await chat(server, {
    messages: [{ role: "system", content: "be" }, { role: "user", content: "a" }],
  });
  const { inputs, parameters } = server.engine.requests[0]!.job;
  assert.equal(inputs, "<system>be</turn> <user>a</turn><assistant>");
  assert.equal(parameters.add_special_tokens, false);
});

Deno.test("the end of the turn is stop, and special tokens show no text", async () => {
  const server = start();
  server.engine.reply = ["Hi", "!"];
  const { choices } = await chat(server, { max_tokens: null });
  assert.deepEqual([choices[0]?.message.content, choices[0]?.finish_reason], ["Hi!", "stop"]);
});

Deno.test("max_completion_tokens wins over max_tokens, and without either the turn is open", async () => {
  const server = start();
  const asked = async (changes: Record<string, unknown>) => {
    await chat(server, changes);
    return server.engine.requests.at(-1)?.job.parameters.max_new_tokens;
  };
  assert.equal(await asked({ max_tokens: 2, max_completion_tokens: 1 }), 1);
  assert.equal(await asked({ max_tokens: 2 }), 2);
  assert.equal(await asked({ max_tokens: null }), null);
});

Deno.test("messages are made plain for the template", async () => {
  const server = start({ template: "{{ message.tool_calls }}" });
  await chat(server, {
    messages: [
      { role: "developer", content: "be" },
      { role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: '{"x":1}' } }],
      },
      { role: "tool", tool_call_id: "1", content: "ok", extra: true },
    ],
  });
  assert.deepEqual(server.chat.conversations[0]?.messages, [
    { role: "system", content: "be" },
    { role: "user", content: "ab" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: { x: 1 } } }],
    },
    { role: "tool", tool_call_id: "1", content: "ok", extra: true },
  ]);
});

Deno.test("logprobs have bytes and top tokens, streamed as whole", async () => {
  const entry = (token: string, logprob: number) => ({
    token,
    logprob,
    bytes: [...new TextEncoder().encode(token)],
  });
  const expected = [[" one", -0.1], [" two", -0.2]].map(([token, logprob]) => ({
    ...entry(String(token), Number(logprob)),
    top_logprobs: [entry(String(token), Number(logprob))],
  }));
  const asked = { logprobs: true, top_logprobs: 1, max_tokens: 2 };
  const server = start();
  const { choices } = await chat(server, asked);
  assert.deepEqual(choices[0]?.logprobs?.content, expected);
  assert.equal(server.engine.requests[0]?.job.parameters.raw_logprobs, true);
  const chunks = await chatChunks(start(), asked);
  const streamed = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
  assert.deepEqual(streamed, expected);
});

Deno.test("n choices share one prompt and are told apart by their index", async () => {
  const { choices, usage } = await chat(start(), { n: 2 });
  assert.deepEqual(choices.map(({ index }) => index), [0, 1]);
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [2, 6]);
  const chunks = await chatChunks(start(), { n: 2, stream_options: { include_usage: true } });
  assert.equal(assembled(chunks, 0).content, assembled(chunks, 1).content);
  assert.equal(chunks.at(-1)?.usage?.completion_tokens, 6);
});

const thinking = "{% if think %}<think>{% endif %}</think>";

Deno.test("reasoning is split out, whole as streamed, and the tags are gone", async () => {
  const answer = async (reply: readonly string[], extra: Record<string, unknown> = {}) => {
    const server = start({ template: thinking });
    server.engine.reply = reply;
    const { message } = (await chat(server, { max_tokens: 50, ...extra })).choices[0]!;
    const streamed = assembled(await chatChunks(server, { max_tokens: 50, ...extra }));
    assert.equal(streamed.content, message.content);
    assert.equal(streamed.reasoning, message.reasoning_content ?? "");
    return [message.reasoning_content, message.content];
  };
  assert.deepEqual(await answer(["<th", "ink>\nwhy", "\n</thi", "nk>\n\nso"]), ["why", "so"]);
  assert.deepEqual(await answer(["no tags"]), [undefined, "no tags"]);
  const inside = { chat_template_kwargs: { think: true } };
  assert.deepEqual(await answer(["why", "</think>so"], inside), ["why", "so"]);
});

Deno.test("a model that does not reason keeps its tags", async () => {
  const server = start({ template: "plain" });
  server.engine.reply = ["<think>x</think>"];
  assert.equal((await chat(server)).choices[0]?.message.content, "<think>x</think>");
});

Deno.test("the template gets the client's variables, but no reserved name", async () => {
  const server = start();
  await chat(server, { chat_template_kwargs: { enable_thinking: false } });
  assert.deepEqual(server.chat.conversations[0]?.variables, { enable_thinking: false });
  for (const name of ["messages", "tools", "bos_token", "add_generation_prompt", "chat_template"]) {
    const error = await chatRefusal(start(), { chat_template_kwargs: { [name]: "x" } });
    assert.deepEqual([error.status, error.param], [400, "chat_template_kwargs"]);
  }
});

Deno.test("the last message of the assistant is gone on with when asked for", async () => {
  const server = start();
  const messages = [{ role: "user", content: "a" }, { role: "assistant", content: "I think " }];
  await chat(server, { messages, continue_final_message: true });
  assert.equal(server.engine.requests[0]?.job.inputs, "<user>a</turn> <assistant>I think ");
  assert.equal(server.chat.conversations[0]?.addGenerationPrompt, false);
  const error = await chatRefusal(server, { continue_final_message: true });
  assert.deepEqual([error.status, error.param], [400, "continue_final_message"]);
});

const schema = { type: "object", properties: { a: { type: "string" } } };
const schemaGrammar = { type: "json_schema", value: schema };

const formats: readonly (readonly [unknown, unknown])[] = [
  [{ type: "text" }, undefined],
  [{ type: "json_object" }, { type: "json_object" }],
  [{ type: "json_object", value: schema }, schemaGrammar],
  [{ type: "json_object", schema }, schemaGrammar],
  [{ type: "json_schema", json_schema: { name: "n", schema, strict: true } }, schemaGrammar],
  [{ type: "json_schema", value: { name: "n", schema } }, schemaGrammar],
  [{ type: "json_schema", schema }, schemaGrammar],
  [{ type: "json", value: schema }, schemaGrammar],
  [{ type: "regex", value: "a+" }, { type: "regex", value: "a+" }],
];

for (const [format, grammar] of formats) {
  Deno.test(`response_format ${JSON.stringify(format).slice(0, 60)} is read`, async () => {
    const server = start();
    await chat(server, { response_format: format });
    assert.deepEqual(server.engine.requests[0]?.job.parameters.grammar, grammar);
  });
}

const refused: readonly (readonly [Record<string, unknown>, string | null, RegExp])[] = [
  [{ messages: [] }, null, /messages/],
  [{ messages: [{ content: "a" }] }, null, /messages\[0\]: missing field `role`/],
  [{ messages: [{ role: "user", content: 3 }] }, "messages", /text or parts/],
  [
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
    "messages",
    /`image_url` cannot be read/,
  ],
  [{ top_logprobs: 21, logprobs: true }, "top_logprobs", /<= 20/],
  [{ top_logprobs: 1 }, "top_logprobs", /logprobs/],
  [{ max_tokens: 0 }, "max_tokens", /positive/],
  [{ n: 5 }, "n", /4 generations/],
  [{ response_format: { type: "xml" } }, "response_format", /json_schema/],
  [{ response_format: { type: "json_schema" } }, "response_format", /no `json_schema`/],
  [{ response_format: { type: "regex", value: 1 } }, null, /grammar is not valid/],
  [{ continue_final_message: true, add_generation_prompt: true }, "continue_final_message", /last/],
];

for (const [changes, param, message] of refused) {
  Deno.test(`a chat with ${JSON.stringify(changes).slice(0, 60)} is a 400`, async () => {
    const error = await chatRefusal(start(), changes);
    assert.deepEqual([error.status, error.type, error.param], [
      400,
      "invalid_request_error",
      param,
    ]);
    assert.match(error.message, message);
  });
}

Deno.test("what the template refuses, and a model without one, is a 400 with its reason", async () => {
  const refusedRole = await chatRefusal(start(), { messages: [{ role: "refused", content: "a" }] });
  assert.deepEqual([refusedRole.status, refusedRole.code], [400, "template_error"]);
  assert.equal(refusedRole.message, "Template error: roles must alternate");
  const none = await chatRefusal(start({ template: null }), {});
  assert.equal(none.message, "Template error: template not found");
});

Deno.test("failures before the first event keep their status, later ones are an event", async () => {
  const messages = (content: string) => [{ role: "user", content }];
  for (const stream of [false, true]) {
    const early = await chatRefusal(start(), { messages: messages("<fail:0>"), stream });
    assert.deepEqual([early.status, early.type], [500, "server_error"]);
  }
  const late = await post(
    start().app,
    CHAT,
    chatBody({ messages: messages("<fail:1>"), stream: true }),
  );
  assert.match(await late.text(), /data: \{"error":\{"message":"Request failed[^\n]*\n\n$/);
});

Deno.test("a client that leaves a chat frees every choice and its permits", async () => {
  const server = start({ automatic: false });
  const pending = post(server.app, CHAT, chatBody({ n: 4, stream: true }));
  await until(() => server.engine.requests.length === 4);
  server.engine.step();
  await (await pending).body?.cancel();
  assert.ok(server.engine.requests.every(({ state }) => state === "cancelled"));
  const next = post(server.app, CHAT, chatBody({ n: 4, max_tokens: 1 }));
  await until(() => server.engine.requests.length === 8);
  server.engine.step();
  assert.equal((await next).status, 200);
});
