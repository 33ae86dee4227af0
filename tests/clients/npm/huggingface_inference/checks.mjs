/** What npm's `@huggingface/inference` can do with an address. */

import assert from "node:assert/strict";

export default function declare({ check, packages, raised, oneDropped, ...given }) {
  const { InferenceClient, InferenceClientProviderApiError } = packages["@huggingface/inference"];
  const { model, scripted, citySchema, question } = given;
  const client = new InferenceClient(model.key, { endpointUrl: model.url });
  const fake = new InferenceClient("none", { endpointUrl: scripted.url });
  const greedy = { messages: question, temperature: 0, max_tokens: 12 };
  const plain = { inputs: "Hello", parameters: { max_new_tokens: 12 } };

  check("textGeneration gives the text", async () => {
    const { generated_text: text } = await client.textGeneration({
      inputs: "The capital of France is",
      parameters: { max_new_tokens: 3, temperature: 0 },
    });
    assert.equal(text, " Paris.\n");
  });

  check("textGenerationStream gives the same text in pieces", async () => {
    const greedily = { ...plain, parameters: { ...plain.parameters, temperature: 0 } };
    const whole = await fake.textGeneration(greedily);
    const chunks = await Array.fromAsync(fake.textGenerationStream(greedily));
    const texts = chunks.map(({ choices }) => choices[0]?.text ?? "");
    assert.equal(texts.join(""), whole.generated_text);
  });

  check("textGeneration's own parameters are taken", async () => {
    const { generated_text: text } = await fake.textGeneration({
      inputs: "Hello",
      parameters: {
        do_sample: true,
        max_new_tokens: 8,
        repetition_penalty: 1.1,
        return_full_text: false,
        stop: ["never to be seen"],
        temperature: 0.8,
        top_k: 20,
        top_p: 0.9,
        truncate: 12,
      },
    });
    assert.ok(text.length > 0);
  });

  check("chatCompletion answers, with usage", async () => {
    const { choices: [{ message }], usage } = await client.chatCompletion(greedy);
    assert.ok(message.content.length > 0);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  });

  check("chatCompletionStream gives the same message in pieces", async () => {
    const { choices: [{ message }] } = await client.chatCompletion(greedy);
    const chunks = await Array.fromAsync(client.chatCompletionStream(greedy));
    const texts = chunks.map(({ choices }) => choices[0]?.delta.content ?? "");
    assert.equal(texts.join(""), message.content);
  });

  check("chatCompletion calls a tool, and chatCompletionStream the same in pieces", async () => {
    const find = { name: "find_city", description: "Finds a city", parameters: citySchema };
    const asked = {
      ...greedy,
      max_tokens: 40,
      tools: [{ type: "function", function: find }],
      tool_choice: { type: "function", function: { name: "find_city" } },
    };
    const { choices: [{ message }] } = await client.chatCompletion(asked);
    const { name, arguments: given } = message.tool_calls[0].function;
    assert.equal(name, "find_city");
    assert.deepEqual(Object.keys(JSON.parse(given)), ["city"]);
    const chunks = await Array.fromAsync(client.chatCompletionStream(asked));
    const deltas = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    assert.equal(deltas[0].function.name, name);
    assert.ok(deltas.length > 3);
    assert.equal(deltas.map((call) => call.function.arguments).join(""), given);
  });

  check("response_format json_schema holds the answer", async () => {
    const json_schema = { name: "answer", strict: true, schema: citySchema };
    const { choices: [{ message }] } = await client.chatCompletion({
      ...greedy,
      max_tokens: 40,
      response_format: { type: "json_schema", json_schema },
    });
    assert.deepEqual(Object.keys(JSON.parse(message.content)), ["city"]);
  });

  check("errors tell status and reason, whole and streamed", async () => {
    const much = { inputs: "a", parameters: { max_new_tokens: 10 ** 6 } };
    for (
      const ask of [
        () => fake.textGeneration(much),
        () => Array.fromAsync(fake.textGenerationStream(much)),
      ]
    ) {
      const error = await raised(InferenceClientProviderApiError, ask);
      assert.equal(error.httpResponse.status, 400);
      assert.match(JSON.stringify(error.httpResponse.body), /max_tokens|max_new_tokens/);
    }
    const failing = { inputs: "<fail>" };
    await raised(Error, () => Array.fromAsync(fake.textGenerationStream(failing)));
  });

  check("a wrong key is a 401", async () => {
    const wrong = new InferenceClient("wrong", { endpointUrl: model.url });
    const error = await raised(
      InferenceClientProviderApiError,
      () => wrong.chatCompletion(greedy),
    );
    assert.equal(error.httpResponse.status, 401);
  });

  check("a stream that is left before its end leaves no request behind", async () => {
    await oneDropped(async () => {
      const gone = new AbortController();
      const long = { inputs: "Tell me", parameters: { max_new_tokens: 8000 } };
      await raised(Error, async () => {
        const stream = fake.textGenerationStream(long, { signal: gone.signal });
        for await (const _ of stream) gone.abort();
      });
    });
  });
}
