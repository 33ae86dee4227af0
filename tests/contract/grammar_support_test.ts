import assert from "node:assert/strict";
import { chatBody } from "./chat_support.ts";
import { post, start } from "./harness.ts";

const GRAMMAR = { type: "json", value: { properties: { a: { type: "string" } } } };
const TOOLS = [{ type: "function", function: { name: "find" } }];

const REFUSED: readonly (readonly [path: string, body: object])[] = [
  ["/generate", { inputs: "a", parameters: { grammar: GRAMMAR } }],
  ["/generate_stream", { inputs: "a", parameters: { grammar: { type: "regex", value: "a" } } }],
  ["/", { inputs: "a", stream: true, parameters: { grammar: GRAMMAR } }],
  ["/invocations", { inputs: "a", parameters: { grammar: GRAMMAR } }],
  ["/vertex", { instances: [{ inputs: "a", parameters: { grammar: GRAMMAR } }] }],
];

for (const [path, body] of REFUSED) {
  Deno.test(`${path} refuses a grammar in TGI's words where none is supported`, async () => {
    const { app, engine } = start({ disableGrammarSupport: true });
    const response = await post(app, path, body);
    assert.deepEqual([response.status, await response.json()], [422, {
      error: "Input validation error: grammar is not supported",
      error_type: "validation",
    }]);
    assert.equal(engine.requests.length, 0);
  });
}

Deno.test("a chat that needs a grammar is refused where none is supported", async () => {
  const forms = {
    response_format: { response_format: { type: "json_object" } },
    tools: { tools: TOOLS, tool_choice: "required" },
  };
  for (const [param, form] of Object.entries(forms)) {
    const { app, engine } = start({ disableGrammarSupport: true });
    const response = await post(app, "/v1/chat/completions", chatBody(form));
    const { error } = await response.json();
    assert.deepEqual([response.status, error.message], [400, "grammar is not supported"]);
    assert.equal(error.param, param);
    assert.equal(engine.requests.length, 0);
  }
});

Deno.test("what needs no grammar is answered where none is supported", async () => {
  const { app } = start({ disableGrammarSupport: true });
  const native = await post(app, "/generate", { inputs: "a", parameters: { grammar: null } });
  const tools = await post(app, "/v1/chat/completions", chatBody({ tools: TOOLS }));
  for (const response of [native, tools]) assert.equal(response.status, 200, await response.text());
});
