import assert from "node:assert/strict";
import fc from "fast-check";
import { listedPrompts, parsePromptLines, randomPrompts } from "./prompts.ts";

Deno.test("random prompts have the length that is wanted and do not begin alike", () => {
  fc.assert(fc.property(fc.integer({ min: 20, max: 200 }), (words) => {
    const prompts = randomPrompts(words, 0);
    const texts = Array.from({ length: 20 }, () => prompts().text.split(" "));
    for (const text of texts) assert.equal(text.length, words);
    assert.equal(new Set(texts.map((text) => text.slice(0, 20).join(" "))).size, 20);
  }));
});

Deno.test("a shared prefix stands before every prompt, and another run has another", () => {
  const prefixes = [randomPrompts(5, 30), randomPrompts(5, 30)].map((prompts) => {
    const texts = [prompts(), prompts()].map(({ text }) => text.split(" "));
    assert.ok(texts.every((text) => text.length === 35));
    const [first, second] = texts.map((text) => text.slice(0, 30).join(" "));
    assert.equal(first, second);
    return first;
  });
  assert.notEqual(prefixes[0], prefixes[1]);
});

Deno.test("a file's lines are texts or objects, and come round again", () => {
  const content = '"one"\n\n{"prompt":"two","max_new_tokens":7}\n{"inputs":"three","more":1}\n';
  const prompts = listedPrompts(parsePromptLines(content, "p.jsonl"), 0);
  const found = [prompts(), prompts(), prompts(), prompts()];
  assert.deepEqual(found, [
    { text: "one", maxNewTokens: null },
    { text: "two", maxNewTokens: 7 },
    { text: "three", maxNewTokens: null },
    { text: "one", maxNewTokens: null },
  ]);
  const [word, ...rest] = listedPrompts(parsePromptLines('"one"', "p"), 1)().text.split(" ");
  assert.ok(word !== "one" && rest.join() === "one");
});

Deno.test("a line that is no prompt is named", () => {
  const bad = ["{", "7", '""', '{"prompt":3}', '{"prompt":"a","max_new_tokens":0}', "[]"];
  for (const line of bad) {
    assert.throws(
      () => parsePromptLines(`"fine"\n${line}\n`, "p.jsonl"),
      { message: /^Cannot read line 2 of p\.jsonl: it must be a JSON string/, exitCode: 2 },
    );
  }
  assert.throws(() => parsePromptLines("\n \n", "p.jsonl"), /it holds none/);
});
