import { deepEqual, equal } from "node:assert/strict";
import { type Answer, speedLine, Stopwatch } from "./answer.ts";

const ANSWER: Answer = {
  text: "",
  finishReason: "length",
  promptTokens: 3,
  generatedTokens: 11,
  seed: null,
  firstTokenMillis: 120,
  decodeMillis: 500,
};

Deno.test("the speed is that of the tokens after the first", () => {
  equal(speedLine(ANSWER), "11 tokens, 20.0 tok/s, first after 0.12 s");
  const one = { ...ANSWER, generatedTokens: 1, decodeMillis: 0 };
  equal(speedLine(one), "1 token, first after 0.12 s");
  equal(speedLine({ ...ANSWER, firstTokenMillis: null }), "no tokens");
});

Deno.test("times run from the question over the first token to the last", () => {
  let now = 10;
  const watch = new Stopwatch(() => now);
  deepEqual(watch.times(), { firstTokenMillis: null, decodeMillis: 0 });
  for (now of [30, 50, 90]) watch.token();
  deepEqual(watch.times(), { firstTokenMillis: 20, decodeMillis: 60 });
});
