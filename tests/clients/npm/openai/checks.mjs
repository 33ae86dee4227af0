/** What npm's `openai` can do with these routes. */

import assert from "node:assert/strict";

export default function declare({ check, packages, raised, oneDropped, ...given }) {
  const { default: OpenAI, AuthenticationError, BadRequestError, InternalServerError } =
    packages.openai;
  const { model, scripted, citySchema, question } = given;
  const options = { maxRetries: 0, timeout: 40_000 };
  const client = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: model.key, ...options });
  const fake = new OpenAI({ baseURL: `${scripted.url}/v1`, apiKey: "none", ...options });
  const greedy = { model: "any-name", messages: question, temperature: 0, max_tokens: 12 };
  const plain = { model: "any-name", prompt: "Hello", temperature: 0, max_tokens: 12 };
  const find = { name: "find_city", description: "Finds a city", parameters: citySchema };
  const tools = [{ type: "function", function: find }];

  check("models.list and models.retrieve name the model", async () => {
    const { data: [only] } = await client.models.list();
    assert.deepEqual(await client.models.retrieve(only.id), only);
  });

  check("a chat has text, and a streamed one is the same in pieces, with usage", async () => {
    const whole = await client.chat.completions.create(greedy);
    const { message, finish_reason } = whole.choices[0];
    assert.ok(message.content.length > 0);
    const streamed = { ...greedy, stream: true, stream_options: { include_usage: true } };
    const chunks = await Array.fromAsync(await client.chat.completions.create(streamed));
    const texts = chunks.map(({ choices }) => choices[0]?.delta.content ?? "");
    assert.equal(texts.join(""), message.content);
    assert.equal(chunks.at(-2).choices[0].finish_reason, finish_reason);
    assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
  });

  check("the stream helper puts the same message together", async () => {
    const whole = await client.chat.completions.create(greedy);
    const gathered = await client.chat.completions.stream(greedy).finalContent();
    assert.equal(gathered, whole.choices[0].message.content);
  });

  check("a forced tool is called, streamed as whole", async () => {
    const forced = { type: "function", function: { name: "find_city" } };
    const asked = { ...greedy, max_tokens: 60, tools, tool_choice: forced };
    const once = { ...asked, parallel_tool_calls: false };
    const { choices: [{ message }] } = await client.chat.completions.create(once);
    const [call] = message.tool_calls;
    assert.equal(call.function.name, "find_city");
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["city"]);
    const stream = client.chat.completions.stream(once);
    let pieces = 0;
    stream.on("tool_calls.function.arguments.delta", () => pieces += 1);
    const streamed = await stream.finalMessage();
    assert.ok(pieces > 2, `${pieces} pieces`);
    assert.deepEqual(streamed.tool_calls[0].function.arguments, call.function.arguments);
    const result = { role: "tool", tool_call_id: call.id, content: '{"found": true}' };
    const messages = [...question, message, result];
    const after = await client.chat.completions.create({ ...greedy, messages, tools });
    assert.equal(after.choices.length, 1);
  });

  check("runTools calls our function with the arguments, once", async () => {
    const seen = [];
    const run = ({ city }) => {
      seen.push(city);
      return "found";
    };
    const named = { type: "function", function: { ...find, function: run, parse: JSON.parse } };
    const forced = { type: "function", function: { name: "find_city" } };
    const asked = { ...greedy, max_tokens: 60, parallel_tool_calls: false };
    const runner = client.chat.completions.runTools({
      ...asked,
      tools: [named],
      tool_choice: forced,
    });
    await runner.done();
    assert.deepEqual(seen.map((city) => typeof city), ["string"]);
  });

  check("response_format json_schema holds the answer", async () => {
    const json_schema = { name: "answer", strict: true, schema: citySchema };
    const response_format = { type: "json_schema", json_schema };
    const asked = { ...greedy, max_tokens: 40, response_format };
    const { choices: [{ message }] } = await client.chat.completions.parse(asked);
    assert.deepEqual(Object.keys(message.parsed), ["city"]);
  });

  check("completions stream what they give whole, and echo", async () => {
    const { choices: [{ text, finish_reason }], usage } = await fake.completions.create(plain);
    assert.deepEqual([finish_reason, usage.completion_tokens], ["length", 12]);
    const chunks = await Array.fromAsync(
      await fake.completions.create({ ...plain, stream: true }),
    );
    assert.equal(chunks.map(({ choices }) => choices[0].text).join(""), text);
    const echoed = await fake.completions.create({ ...plain, echo: true });
    assert.equal(echoed.choices[0].text, `Hello${text}`);
  });

  check("errors have their class, parameter and request id", async () => {
    const refused = await raised(
      BadRequestError,
      () => fake.completions.create({ ...plain, n: 0 }),
    );
    assert.deepEqual([refused.param, refused.type], ["n", "invalid_request_error"]);
    assert.ok(refused.requestID);
    const failing = { ...plain, prompt: "<fail>" };
    await raised(InternalServerError, () => fake.completions.create(failing));
    const stream = () => fake.completions.create({ ...failing, stream: true });
    await raised(InternalServerError, async () => Array.fromAsync(await stream()));
  });

  check("a wrong key is an AuthenticationError", async () => {
    const wrong = client.withOptions({ apiKey: "wrong" });
    const error = await raised(
      AuthenticationError,
      () => wrong.chat.completions.create(greedy),
    );
    assert.equal(error.code, "invalid_api_key");
  });

  check("a stream that is left before its end leaves no request behind", async () => {
    await oneDropped(async () => {
      const long = { ...plain, max_tokens: 8000, stream: true };
      for await (const _ of await fake.completions.create(long)) break;
    });
  });
}
