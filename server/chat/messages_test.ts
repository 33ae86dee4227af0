import { deepEqual, equal, throws } from "node:assert/strict";
import { plainMessage } from "./messages.ts";

Deno.test("newer and older roles get the names that templates know", () => {
  const roles = ["developer", "function", "user", "ipython"].map((role) =>
    plainMessage({ role, content: "a" }, 0).role
  );
  deepEqual(roles, ["system", "tool", "user", "ipython"]);
});

Deno.test("text parts become one text, and no content is null", () => {
  const parts = [{ type: "text", text: "a" }, "b", { type: "input_text", text: "c" }];
  equal(plainMessage({ role: "user", content: parts }, 0).content, "abc");
  equal(plainMessage({ role: "assistant" }, 0).content, null);
});

Deno.test("arguments of earlier calls become objects where their text is one", () => {
  const call = (given: unknown) => ({ id: "1", function: { name: "f", arguments: given } });
  const read = (given: unknown) =>
    plainMessage({ role: "assistant", tool_calls: [call(given)] }, 0).tool_calls;
  deepEqual(read('{"a":1}'), [call({ a: 1 })]);
  deepEqual(read("[1]"), [call("[1]")]);
  deepEqual(read("{"), [call("{")]);
  deepEqual(read({ a: 1 }), [call({ a: 1 })]);
});

Deno.test("a message that cannot be read is told by its place", () => {
  throws(() => plainMessage({ content: "a" }, 3), /messages\[3\]: missing field `role`/);
  throws(() => plainMessage({ role: "user", content: {} }, 1), /messages\[1\]: `content`/);
  throws(
    () => plainMessage({ role: "user", content: [{ type: "image_url" }] }, 0),
    /`image_url` cannot be read/,
  );
});
