import { deepEqual, equal, match } from "node:assert/strict";
import type { Survey } from "../../ffi/types.ts";
import { styleOf } from "../terminal/style.ts";
import { fitOf, report } from "./plan.ts";

const SURVEY: Survey = {
  backend: "cpu",
  isa: "avx2",
  dtype: "int8",
  architecture: "llama",
  chatTemplate: true,
  context: 2048,
  maxInputTokens: 1023,
  maxTotalTokens: 1024,
  maxBatchPrefillTokens: 512,
  maxBatchTotalTokens: 4096,
  maxBatchSize: 128,
  plan: {
    weightsBytes: 1e6,
    kvBytes: 4096 * 100,
    kvBytesPerToken: 100,
    arenaBytes: 5e5,
    availableBytes: 1e6 + 5e5 + 10_000 * 100,
  },
  problem: null,
};

Deno.test("what fits is counted in whole pages of what is left", () => {
  deepEqual(fitOf(SURVEY), { tokens: 9984, longest: 2048, streams: 4, mostStreams: 9 });
  const tight = { ...SURVEY, plan: { ...SURVEY.plan, availableBytes: 10 } };
  deepEqual(fitOf(tight), { tokens: 0, longest: 0, streams: 4, mostStreams: 0 });
});

Deno.test("the report names sizes, what fits and the flags, within 80 columns", () => {
  const text = report("a/model", SURVEY, fitOf(SURVEY), styleOf({ isTerminal: () => false }));
  match(text, /^ {2}Weights {11}1\.0 MB {2}as int8$/m);
  match(text, /^ {2}KV cache {10}0\.4 MB {2}4096 tokens of 100 bytes$/m);
  match(text, /It fits\.\nLongest sequence: 1024 tokens; 2048 would fit \(--max-total-tokens\)\./);
  match(text, /4 at a time; 9 would fit \(--max-batch-total-tokens\)\.\n$/);
  equal(text.split("\n").filter((line) => line.length > 80).length, 0);
});

Deno.test("what does not fit is said in the core's words", () => {
  const survey = { ...SURVEY, problem: "Cannot plan the memory: lower --max-total-tokens" };
  const text = report("m", survey, fitOf(survey), styleOf({ isTerminal: () => false }));
  match(text, /It does not fit\. Cannot plan the memory: lower --max-total-tokens\.\n/);
});
