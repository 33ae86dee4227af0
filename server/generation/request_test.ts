import assert from "node:assert/strict";
import { toGenerationRequest } from "./request.ts";

const defaults = {
  profile: "0.3.1",
  watermark: { gamma: 0.5, delta: 2 },
  adapters: [],
  returnFullText: false,
  prefillWithDetails: true,
} as const;

Deno.test("a bare prompt becomes TGI's defaults", () => {
  assert.deepEqual(toGenerationRequest({ inputs: "hi" }, defaults), {
    job: {
      inputs: "hi",
      parameters: {
        temperature: null,
        repetition_penalty: null,
        frequency_penalty: null,
        top_k: null,
        top_p: null,
        typical_p: null,
        max_new_tokens: 20,
        truncate: null,
        stop: [],
        seed: null,
        top_n_tokens: 0,
        do_sample: false,
        decoder_input_details: false,
      },
    },
    prompt: "",
    details: false,
    topTokens: false,
    accounting: false,
    characters: 2,
  });
});

Deno.test("decoder_input_details implies details", () => {
  const body = { inputs: "hi", parameters: { decoder_input_details: true } };
  assert.equal(toGenerationRequest(body, defaults).details, true);
});

Deno.test("only a route that says so brings the prefill with the details", () => {
  const body = { inputs: "hi", parameters: { details: true } };
  const prefill = (prefillWithDetails: boolean) =>
    toGenerationRequest(body, { ...defaults, prefillWithDetails }).job.parameters
      .decoder_input_details;
  assert.deepEqual([prefill(true), prefill(false)], [true, false]);
});

Deno.test("characters are counted as Unicode counts them", () => {
  const count = (inputs: string) => toGenerationRequest({ inputs }, defaults).characters;
  assert.deepEqual([count("añ"), count("😀"), count("日本")], [2, 1, 2]);
});
