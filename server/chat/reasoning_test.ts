import { deepEqual, equal } from "node:assert/strict";
import { opensReasoning, ReasoningReader, reasoningTags } from "./reasoning.ts";

const tags = { open: "<think>", close: "</think>" };

function read(parts: readonly string[], inside = false) {
  const reader = new ReasoningReader(tags, inside);
  const deltas = [...parts.flatMap((part) => reader.push(part)), ...reader.end()];
  const join = (kind: string) =>
    deltas.map((delta) => delta.kind === kind && "text" in delta ? delta.text : "").join("");
  return [join("reasoning"), join("content")];
}

const turns: readonly (readonly [string, boolean, string, string])[] = [
  ["<think>\nfirst\n\nthen\n</think>\n\nanswer \n", false, "first\n\nthen", "answer \n"],
  ["\n<think></think>answer", false, "", "answer"],
  ["a < b </think", true, "a < b </think", ""],
  ["first</think>answer with </think>", true, "first", "answer with </think>"],
  [" no <think> here", false, "", " no <think> here"],
  ["<thin", false, "", "<thin"],
  ["<think>unfinished  ", false, "unfinished", ""],
  ["", true, "", ""],
];

for (const [given, inside, reasoning, content] of turns) {
  Deno.test(`${JSON.stringify(given)} is split the same at every cut`, () => {
    for (let cut = 0; cut <= given.length; cut += 1) {
      deepEqual(read([given.slice(0, cut), given.slice(cut)], inside), [reasoning, content]);
    }
    deepEqual(read(given.split(""), inside), [reasoning, content]);
  });
}

Deno.test("the template tells whether a model reasons, the prompt whether it has begun", () => {
  equal(reasoningTags("{{ messages }}"), null);
  equal(reasoningTags(null), null);
  deepEqual(reasoningTags("x.split('</think>')"), tags);
  equal(opensReasoning("<|assistant|>\n<think>\n", tags), true);
  equal(opensReasoning("<think>\n\n</think>\n\n", tags), false);
});
