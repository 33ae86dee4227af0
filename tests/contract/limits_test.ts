import assert from "node:assert/strict";
import { post, start } from "./harness.ts";

const MESSAGE = { role: "user", content: "a" };
const TOOL = { type: "function", function: { name: "find" } };
const BIASES = Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 1]));
const LONG = "x".repeat(1025);
const CHAT = "/v1/chat/completions";

/** Bodies past a limit of lists or texts, the status, and what names the limit. */
const PAST: readonly (readonly [path: string, body: object, status: number, words: RegExp])[] = [
  [CHAT, { messages: Array(4097).fill(MESSAGE) }, 400, /at most 4096 messages/],
  [CHAT, { messages: [MESSAGE], tools: Array(129).fill(TOOL) }, 400, /at most 128 tools/],
  [CHAT, { messages: [MESSAGE], stop: LONG }, 400, /1 to 1024 characters/],
  [CHAT, { messages: [MESSAGE], logit_bias: BIASES }, 400, /at most 1024 entries\. Given: 1025/],
  ["/generate", { inputs: "a", parameters: { logit_bias: BIASES } }, 422, /at most 1024 entries/],
  [
    "/generate",
    { inputs: "a", parameters: { stop: [LONG], stop_anywhere: true } },
    422,
    /1 to 1024 characters with `stop_anywhere`/,
  ],
  [
    "/generate",
    { inputs: "a", parameters: { stop: [""], stop_anywhere: true } },
    422,
    /1 to 1024 characters with `stop_anywhere`/,
  ],
];

for (const [path, body, status, words] of PAST) {
  Deno.test(`${path} refuses a body past its limits: ${words.source}`, async () => {
    const { app, engine } = start({ payloadLimit: 1_000_000 });
    const response = await post(app, path, body);
    assert.equal(response.status, status);
    assert.match(await response.text(), words);
    assert.equal(engine.requests.length, 0);
  });
}

Deno.test("a list at its limit is read", async () => {
  const { app } = start({ payloadLimit: 1_000_000, template: "" });
  const tools = Array.from({ length: 128 }, (_, index) => {
    return { type: "function", function: { name: `find${index}` } };
  });
  const response = await post(app, CHAT, { messages: [MESSAGE], tools, stop: "x".repeat(1024) });
  assert.equal(response.status, 200, await response.text());
});
