import assert from "node:assert/strict";
import { join } from "node:path";
import { type RunningServer, startScripted } from "./server.ts";

/** A server over the smallest model that chats; the last `--backend` counts. */
function startModel(): Promise<RunningServer> {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  const model = join(folder, "smollm2-135m-instruct-q4_1.gguf");
  return startScripted(["--backend", "candle", "--model-id", model, "--max-total-tokens", "512"]);
}

const QUESTION = [{ role: "user", content: "What is the capital of France?" }];

async function ask(server: RunningServer, path: string, body: Record<string, unknown>) {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

Deno.test("a model chats, calls a tool by grammar, and tells its tokens", async () => {
  await using server = await startModel();
  const chat = async (extra: Record<string, unknown>) => {
    const body = { messages: QUESTION, max_tokens: 40, temperature: 0, ...extra };
    const { status, text } = await ask(server, "/v1/chat/completions", body);
    assert.equal(status, 200, text);
    return text;
  };
  const { message } = JSON.parse(await chat({})).choices[0];
  assert.match(message.content, /Paris/);
  const lines = (await chat({ stream: true })).trim().split("\n\n");
  assert.equal(lines.pop(), "data: [DONE]");
  const streamed = lines.map((line) => JSON.parse(line.slice("data: ".length)).choices[0].delta);
  assert.equal(streamed.map(({ content }) => content ?? "").join(""), message.content);
  const parameters = {
    type: "object",
    properties: { city: { type: "string", maxLength: 12 } },
    required: ["city"],
    additionalProperties: false,
  };
  const tools = [{ type: "function", function: { name: "find_city", parameters } }];
  const [call] = JSON.parse(await chat({ tools, tool_choice: "required" })).choices[0].message
    .tool_calls;
  assert.equal(call.function.name, "find_city");
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["city"]);
  const tokenized = await ask(server, "/chat_tokenize", { messages: QUESTION });
  const { tokenize_response: tokens, templated_text: prompt } = JSON.parse(tokenized.text);
  assert.equal(tokens.map((token: { text: string }) => token.text).join(""), prompt);
  assert.equal(tokens.at(-1).stop, new TextEncoder().encode(prompt).length);
});

Deno.test("a strict tool that the model calls by itself gets the arguments of its schema", async () => {
  await using server = await startModel();
  const [bracket] = JSON.parse((await ask(server, "/tokenize", { inputs: "[" })).text);
  const parameters = {
    type: "object",
    properties: { unit: { enum: ["C", "F"] }, days: { type: "integer", maximum: 9 } },
    required: ["unit", "days"],
    additionalProperties: false,
  };
  const tool = { type: "function", function: { name: "forecast", parameters, strict: true } };
  const body = {
    messages: QUESTION,
    max_tokens: 60,
    temperature: 0,
    tools: [tool],
    parallel_tool_calls: false,
    // A bracket begins a call; without one the model answers in free text.
    logit_bias: { [bracket.id]: 100 },
  };
  const { text } = await ask(server, "/v1/chat/completions", body);
  const { message, finish_reason } = JSON.parse(text).choices[0];
  assert.equal(finish_reason, "tool_calls");
  const { name, arguments: given } = message.tool_calls[0].function;
  const { unit, days, ...more } = JSON.parse(given);
  assert.ok(name === "forecast" && ["C", "F"].includes(unit) && days <= 9, given);
  assert.deepEqual(more, {});
  const streamed = await ask(server, "/v1/chat/completions", { ...body, stream: true });
  const parts = streamed.text.split("\n\n").slice(0, -2)
    .flatMap((line) => JSON.parse(line.slice("data: ".length)).choices[0].delta.tool_calls ?? [])
    .map((call: { function: { arguments: string } }) => call.function.arguments);
  assert.ok(parts.length > 3, `${parts.length} pieces`);
  assert.equal(parts.join(""), given);
  const free = { ...body, logit_bias: {} };
  const answer = JSON.parse((await ask(server, "/v1/chat/completions", free)).text);
  assert.match(answer.choices[0].message.content, /Paris/);
});

Deno.test("variables reach the template, and its own refusal is a 400", async () => {
  await using server = await startModel();
  const kwargs = { messages: QUESTION, chat_template_kwargs: { enable_thinking: false } };
  assert.equal((await ask(server, "/chat_tokenize", kwargs)).status, 200);
  const reserved = { messages: QUESTION, chat_template_kwargs: { messages: [] } };
  assert.equal((await ask(server, "/v1/chat/completions", reserved)).status, 400);
});

Deno.test("a core without a template says so in TGI's words", async () => {
  await using server = await startScripted();
  const { status, text } = await ask(server, "/v1/chat/completions", { messages: QUESTION });
  assert.equal(status, 400);
  assert.match(text, /"message":"Template error: template not found"/);
});
