/** What `ai` can do with these routes through `@ai-sdk/openai-compatible`. */

import assert from "node:assert/strict";

export default function declare({ check, packages, raised, oneDropped, ...given }) {
  const { createOpenAICompatible } = packages["@ai-sdk/openai-compatible"];
  const { APICallError, generateText, jsonSchema, Output, streamText, tool } = packages.ai;
  const { model, scripted, question } = given;
  const of = ({ url, key }) =>
    createOpenAICompatible({
      name: "tgi",
      baseURL: `${url}/v1`,
      apiKey: key,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
  const chat = of(model)("any-name");
  const fake = of(scripted).completionModel("any-name");
  const city = jsonSchema(given.citySchema);
  const once = { maxRetries: 0, maxOutputTokens: 12, temperature: 0 };
  const greedy = { ...once, model: chat, messages: question };
  const plain = { ...once, model: fake, prompt: "Hello" };

  check("generateText gives a chat's text and usage", async () => {
    const { text, usage, finishReason } = await generateText(greedy);
    assert.ok(text.length > 0);
    assert.ok(["stop", "length"].includes(finishReason), finishReason);
    assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
  });

  check("streamText gives the same text in pieces, and the usage", async () => {
    const whole = await generateText(greedy);
    const streamed = streamText(greedy);
    assert.equal((await Array.fromAsync(streamed.textStream)).join(""), whole.text);
    assert.equal((await streamed.usage).outputTokens, whole.usage.outputTokens);
  });

  check("a forced tool is called and runs with the input of its schema", async () => {
    const seen = [];
    const find = tool({
      description: "Finds a city",
      inputSchema: city,
      execute: (input) => {
        seen.push(input);
        return "found";
      },
    });
    const { toolCalls } = await generateText({
      ...greedy,
      maxOutputTokens: 40,
      tools: { find_city: find },
      toolChoice: { type: "tool", toolName: "find_city" },
    });
    assert.equal(toolCalls[0].toolName, "find_city");
    assert.deepEqual(Object.keys(seen[0]), ["city"]);
  });

  check("a streamed tool call has the same input", async () => {
    const asked = {
      ...greedy,
      maxOutputTokens: 40,
      tools: { find_city: tool({ description: "Finds a city", inputSchema: city }) },
      toolChoice: { type: "tool", toolName: "find_city" },
    };
    const whole = (await generateText(asked)).toolCalls.map(({ input }) => input);
    const result = streamText(asked);
    const parts = await Array.fromAsync(result.fullStream);
    const streamed = (await result.toolCalls).map(({ input }) => input);
    assert.ok(whole.length > 0);
    assert.ok(parts.filter(({ type }) => type === "tool-input-delta").length > 2);
    assert.deepEqual(streamed, whole);
  });

  check("an output by schema is an object of it", async () => {
    const output = Output.object({ schema: city });
    const result = await generateText({ ...greedy, maxOutputTokens: 40, output });
    assert.deepEqual(Object.keys(result.output), ["city"]);
  });

  check("a completion model completes, streamed as whole", async () => {
    const { text, usage } = await generateText(plain);
    assert.ok(text.length > 0 && usage.outputTokens === 12);
    assert.equal((await Array.fromAsync(streamText(plain).textStream)).join(""), text);
  });

  check("an error is an APICallError with our words", async () => {
    const much = { ...plain, maxOutputTokens: 10 ** 6 };
    const error = await raised(APICallError, () => generateText(much));
    assert.equal(error.statusCode, 400);
    assert.match(error.message, /max_tokens|max_new_tokens/);
    let streamed = null;
    const onError = ({ error }) => streamed = error;
    await Array.fromAsync(streamText({ ...much, onError }).textStream);
    assert.ok(streamed instanceof APICallError, streamed);
    const failing = { ...plain, prompt: "<fail>" };
    assert.equal((await raised(APICallError, () => generateText(failing))).statusCode, 500);
  });

  check("a wrong key is a 401", async () => {
    const wrong = of({ url: model.url, key: "wrong" })("any-name");
    const error = await raised(APICallError, () => generateText({ ...greedy, model: wrong }));
    assert.equal(error.statusCode, 401);
  });

  check("a stream that is aborted leaves no request behind", async () => {
    await oneDropped(async () => {
      const gone = new AbortController();
      const long = { ...plain, maxOutputTokens: 8000, abortSignal: gone.signal };
      for await (const _ of streamText(long).textStream) gone.abort();
    });
  });
}
