import assert from "node:assert/strict";
import { post, start, summary } from "./harness.ts";

Deno.test("/tokenize gives TGI's list, added tokens without text", async () => {
  const response = await post(start().app, "/tokenize", { inputs: "añ b" });
  assert.equal(
    await summary(response),
    '200 application/json\n[{"id":0,"text":"","start":0,"stop":0},' +
      '{"id":1,"text":"añ","start":0,"stop":3},{"id":2,"text":" b","start":3,"stop":5}]',
  );
});

Deno.test("/tokenize takes no permit, reads the whole body of /generate and refuses like it", async () => {
  const { app } = start({ maxConcurrentRequests: 0 });
  const fine = await post(app, "/tokenize", { inputs: "a", parameters: { max_new_tokens: 1 } });
  assert.equal(fine.status, 200);
  await fine.body?.cancel();
  assert.match(await summary(await post(app, "/tokenize", {})), /^422 .*missing field `inputs`/s);
  assert.match(
    await summary(await post(app, "/tokenize", { inputs: "" })),
    /^422 .*cannot be empty/s,
  );
});

Deno.test("/chat_tokenize gives the template's text and its tokens", async () => {
  const messages = [{ role: "user", content: "hi" }];
  const response = await post(start().app, "/chat_tokenize", { messages });
  assert.deepEqual(await response.json(), {
    tokenize_response: [{ id: 1, text: "<user>hi</turn><assistant>", start: 0, stop: 26 }],
    templated_text: "<user>hi</turn><assistant>",
  });
});

Deno.test("/chat_tokenize of a model without a template is TGI's 422", async () => {
  const messages = [{ role: "user", content: "hi" }];
  assert.equal(
    await summary(await post(start({ template: null }).app, "/chat_tokenize", { messages })),
    '422 application/json\n{"error":"Template error: template not found",' +
      '"error_type":"template_error"}',
  );
});
