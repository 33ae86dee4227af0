import assert from "node:assert/strict";
import { assembled, chat, chatChunks, chatRefusal } from "./chat_support.ts";
import { start } from "./harness.ts";

const parameters = { type: "object", properties: { city: { type: "string" } } };
const weather = { type: "function", function: { name: "get_weather", parameters } };
const bare = { type: "function", function: { name: "ping" } };
const tools = [weather, bare];

const HERMES = "{% for tool in tools %}<tool_call>{% endfor %}";
const CALL = '{"name": "get_weather", "arguments": {"city": "Berlin"}}';

/** Replies of the model in each format, with the template that teaches it. */
const formats: readonly (readonly [string, string, readonly string[]])[] = [
  ["hermes", HERMES, [
    "Wait.\n<tool",
    `_call>\n${CALL}\n</tool_call>`,
    `<tool_call>${CALL}</tool_call>`,
  ]],
  ["llama3_json", "{{ tools }}<|python_tag|>", [
    `${CALL.slice(0, 20)}`,
    `${CALL.slice(20)}; ${CALL}`,
  ]],
  ["mistral", "{{ tools }}[TOOL_CALLS]", ["[TOOL_CALLS]", `[${CALL},`, `${CALL}]`]],
  ["pythonic", "{{ tools }}<|python_start|>", [
    "[get_weather(city='Ber",
    "lin'), get_weather(city='Berlin')]",
  ]],
  ["generic", "no such thing", [`[${CALL}, `, `${CALL}]`]],
];

for (const [name, template, reply] of formats) {
  Deno.test(`calls of the ${name} format have ids and JSON text, streamed as whole`, async () => {
    const server = start({ template });
    server.engine.reply = reply;
    const { choices } = await chat(server, { tools, max_tokens: 50 });
    const { message, finish_reason } = choices[0]!;
    assert.equal(finish_reason, "tool_calls");
    const calls = message.tool_calls ?? [];
    assert.deepEqual(calls.map((call) => [call.function.name, call.function.arguments]), [
      ["get_weather", '{"city":"Berlin"}'],
      ["get_weather", '{"city":"Berlin"}'],
    ]);
    assert.ok(calls.every(({ id }) => /^call_[0-9a-f]{24}$/.test(id)));
    assert.equal(new Set(calls.map(({ id }) => id)).size, 2);
    assert.equal(message.content, name === "hermes" ? "Wait." : null);
    const streamed = assembled(await chatChunks(server, { tools, max_tokens: 50 }));
    assert.equal(streamed.content, message.content ?? "");
    assert.equal(streamed.finish, "tool_calls");
    assert.deepEqual(
      streamed.calls.map((call) => call.arguments),
      calls.map((call) => call.function.arguments),
    );
    assert.ok(streamed.calls.every(({ id, pieces }) => /^call_/.test(id) && pieces > 0));
  });
}

Deno.test("a call begins with its name, and its arguments follow as they are written", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = [
    "<tool_call>",
    '{"name": "get_weather", "arguments": {',
    '"city": "Ber',
    'lin"}}',
  ];
  const chunks = await chatChunks(server, { tools, max_tokens: 50 });
  const deltas = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
  const id = deltas[0]?.id ?? "";
  assert.match(id, /^call_/);
  assert.deepEqual(deltas, [
    { index: 0, id, type: "function", function: { name: "get_weather", arguments: "" } },
    ...["{", '"city":"Ber', 'lin"}'].map((part) => ({ index: 0, function: { arguments: part } })),
  ]);
});

Deno.test("the template sees the tools where it knows them", async () => {
  const server = start({ template: HERMES });
  await chat(server, { tools });
  assert.deepEqual(server.chat.conversations[0]?.tools, tools);
  assert.equal(server.engine.requests[0]?.job.parameters.grammar, undefined);
});

Deno.test("a template that knows no tools gets them in a system message", async () => {
  const server = start();
  await chat(server, { tools, messages: [{ role: "system", content: "be" }] });
  await chat(server, { tools });
  const [joined, added] = server.chat.conversations;
  assert.equal(joined?.tools, null);
  assert.match(String(joined?.messages[0]?.content), /^be\n\nYou may call.*get_weather/s);
  assert.equal(added?.messages.length, 2);
});

Deno.test("a template that shows no calls gets them as text, and no content as an empty one", async () => {
  const server = start();
  const called = { type: "function", id: "1", function: { name: "f", arguments: '{"x":1}' } };
  const messages = [
    { role: "assistant", tool_calls: [called] },
    { role: "assistant", content: "Wait.", tool_calls: [called, called] },
    { role: "assistant", content: null, tool_calls: [] },
    { role: "user" },
  ];
  await chat(server, { messages });
  const call = '{"name":"f","arguments":{"x":1}}';
  assert.deepEqual(
    server.chat.conversations[0]?.messages.map(({ content }) => content),
    [`[${call}]`, `Wait.\n[${call},${call}]`, "", ""],
  );
});

Deno.test("tool_choice none shows no tools and reads no calls", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = [`<tool_call>${CALL}</tool_call>`];
  const { choices } = await chat(server, { tools, tool_choice: "none" });
  assert.equal(choices[0]?.message.content, `<tool_call>${CALL}</tool_call>`);
  assert.equal(server.chat.conversations[0]?.tools, null);
});

Deno.test("required holds the turn to calls of the tools, at least one", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = [`[${CALL}]`];
  const { choices } = await chat(server, { tools, tool_choice: "required" });
  assert.equal(choices[0]?.message.tool_calls?.length, 1);
  const { grammar } = server.engine.requests[0]!.job.parameters;
  assert.deepEqual(grammar, {
    type: "json_schema",
    value: {
      type: "array",
      items: { anyOf: [item("get_weather", 0), item("ping", 1)] },
      minItems: 1,
      $defs: { tool0: parameters, tool1: { type: "object", properties: {} } },
    },
  });
});

function item(name: string, index: number) {
  return {
    type: "object",
    properties: { name: { const: name }, arguments: { $ref: `#/$defs/tool${index}` } },
    required: ["name", "arguments"],
    additionalProperties: false,
  };
}

Deno.test("a named tool, in OpenAI's form or TGI's, is the only one and called once", async () => {
  const choices = [
    { type: "function", function: { name: "get_weather" } },
    { function: { name: "get_weather" } },
    "get_weather",
  ];
  for (const tool_choice of choices) {
    const server = start({ template: HERMES });
    server.engine.reply = [`[${CALL}]`];
    const answer = await chat(server, { tools, tool_choice });
    assert.equal(answer.choices[0]?.message.tool_calls?.[0]?.function.name, "get_weather");
    const { value } = server.engine.requests[0]!.job.parameters.grammar as { value: Value };
    assert.deepEqual([value.maxItems, value.items], [1, item("get_weather", 0)]);
  }
});

interface Value {
  readonly maxItems: number;
  readonly items: unknown;
}

Deno.test("without parallel calls a forced turn has one", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = [`[${CALL}]`];
  await chat(server, { tools, tool_choice: "required", parallel_tool_calls: false });
  const { value } = server.engine.requests[0]!.job.parameters.grammar as { value: Value };
  assert.equal(value.maxItems, 1);
});

Deno.test("without parallel calls a turn that makes several has the first alone", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = [`<tool_call>${CALL}</tool_call>`, `<tool_call>${CALL}</tool_call>`];
  const { choices } = await chat(server, { tools, parallel_tool_calls: false });
  assert.equal(choices[0]?.message.tool_calls?.length, 1);
});

Deno.test("references in a tool's schema move along with it", async () => {
  const schema = { $defs: { c: { type: "string" } }, properties: { city: { $ref: "#/$defs/c" } } };
  const server = start({ template: HERMES });
  server.engine.reply = [`[${CALL}]`];
  const tool = { type: "function", function: { name: "get_weather", parameters: schema } };
  await chat(server, { tools: [tool], tool_choice: "required" });
  const { grammar } = server.engine.requests[0]!.job.parameters;
  assert.match(JSON.stringify(grammar), /"city":\{"\$ref":"#\/\$defs\/tool0\/\$defs\/c"\}/);
});

const CUT = CALL.slice(0, -4);

for (const [tool_choice, reply] of [["auto", `<tool_call>${CUT}`], ["required", `[${CUT}`]]) {
  Deno.test(`a call that is cut off by the length is there in part, with ${tool_choice}`, async () => {
    const server = start({ template: HERMES });
    server.engine.reply = [String(reply), "never", "said"];
    const asked = { tools, tool_choice, max_tokens: 1 };
    const { message, finish_reason } = (await chat(server, asked)).choices[0]!;
    assert.deepEqual([finish_reason, message.content], ["length", null]);
    assert.deepEqual(message.tool_calls?.map((call) => call.function), [
      { name: "get_weather", arguments: '{"city":"Berli' },
    ]);
    const streamed = assembled(await chatChunks(server, asked));
    assert.deepEqual([streamed.finish, streamed.content], ["length", ""]);
    assert.equal(streamed.calls[0]?.arguments, '{"city":"Berli');
  });
}

Deno.test("the call of a named tool is there even before the model has written its name", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = ['[{"na', "never", "said"];
  const asked = { tools, tool_choice: "get_weather", max_tokens: 1 };
  const { message, finish_reason } = (await chat(server, asked)).choices[0]!;
  assert.deepEqual([finish_reason, message.content], ["length", null]);
  assert.deepEqual(message.tool_calls?.map((call) => call.function), [
    { name: "get_weather", arguments: "" },
  ]);
});

Deno.test("what is cut off before its name is content", async () => {
  const server = start({ template: HERMES });
  server.engine.reply = ["<tool_call>", CALL.slice(0, 20), "never", "said"];
  const { choices } = await chat(server, { tools, max_tokens: 2 });
  assert.equal(choices[0]?.finish_reason, "length");
  assert.equal(choices[0]?.message.content, `<tool_call>${CALL.slice(0, 20)}`);
});

Deno.test("reasoning comes before the calls, each in its own key", async () => {
  const server = start({ template: `${HERMES}</think>` });
  server.engine.reply = ["<think>why</think>\n\n", `<tool_call>${CALL}</tool_call>`];
  const { message } = (await chat(server, { tools })).choices[0]!;
  assert.deepEqual([message.reasoning_content, message.content], ["why", null]);
  assert.equal(message.tool_calls?.length, 1);
});

Deno.test("a strict tool that may be called is held to its schema, any other is not", async () => {
  const strict = { ...weather, function: { ...weather.function, strict: true } };
  for (
    const [template, marks] of [[HERMES, ["<tool_call>", "</tool_call>"]], ["none", []]] as const
  ) {
    const server = start({ template });
    await chat(server, { tools: [strict, bare] });
    const { grammar } = server.engine.requests[0]!.job.parameters;
    assert.ok(grammar?.type === "composed", "no grammar");
    assert.deepEqual(grammar.value.marks, marks);
    assert.match(JSON.stringify(grammar.value.schemas), /"tool0":\{"type":"object","properties"/);
    assert.match(JSON.stringify(grammar.value.schemas), /"tool1":\{"type":"object"\}/);
  }
  const server = start({ template: HERMES });
  await chat(server, { tools });
  await chat(server, { tools: [strict], tool_choice: "none" });
  assert.deepEqual(server.engine.requests.map(({ job }) => job.parameters.grammar), [
    undefined,
    undefined,
  ]);
});

const refused: readonly (readonly [Record<string, unknown>, string | null, RegExp])[] = [
  [{ tools, tool_choice: "missing" }, null, /^Tool error: Tool with name missing not found$/],
  [{ tool_choice: "required" }, "tool_choice", /needs `tools`/],
  [{ tools, tool_choice: { type: "function" } }, "tool_choice", /name a function/],
  [{ tools: [{ type: "function", function: { name: "a b" } }] }, "tools", /1 to 64/],
  [{ tools: [{ type: "function" }] }, null, /missing field `function`/],
  [
    { tools, response_format: { type: "json_object" } },
    null,
    /^Tool error: Grammar and tools are mutually exclusive$/,
  ],
];

for (const [changes, param, message] of refused) {
  Deno.test(`tools refused: ${message.source.slice(0, 60)}`, async () => {
    const error = await chatRefusal(start(), changes);
    assert.deepEqual([error.status, error.param], [400, param]);
    assert.match(error.message, message);
  });
}
