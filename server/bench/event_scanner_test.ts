import assert from "node:assert/strict";
import fc from "fast-check";
import { streamText } from "../../tests/fakes/peer.ts";
import { API_NAMES, APIS } from "./api.ts";
import { EventScanner, type TokenMark } from "./event_scanner.ts";

const ENCODER = new TextEncoder();

/** Counts a text that comes in these pieces. */
function scan(mark: TokenMark, text: string, cuts: readonly number[] = []): number {
  const bytes = ENCODER.encode(text);
  const scanner = new EventScanner(mark);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    .toSorted((a, b) => a - b);
  let start = 0;
  let lines = 0;
  for (const end of ends) {
    lines += scanner.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
}

for (const api of API_NAMES) {
  Deno.test(`${api}: every token counts once, wherever the stream is cut`, () => {
    const cuts = fc.array(fc.nat(), { maxLength: 60 });
    fc.assert(fc.property(fc.integer({ min: 0, max: 9 }), cuts, (tokens, where) => {
      assert.equal(scan(APIS[api].token, streamText(api, tokens), where), tokens);
      const carriageReturns = streamText(api, tokens).replaceAll("\n", "\r\n");
      assert.equal(scan(APIS[api].token, carriageReturns, where), tokens);
    }));
  });
}

Deno.test("the scanner finds what JSON finds, in any order of the keys and with any text", () => {
  const event = fc.record({
    text: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom('"text":"', "text", "")),
    index: fc.nat(),
    ttext: fc.constantFrom("x", ""),
    logprobs: fc.constant(null),
  }, { requiredKeys: [] });
  const cuts = fc.array(fc.nat(), { maxLength: 30 });
  const mark = { key: '"text":', opening: '"', closing: '"' };
  fc.assert(fc.property(fc.array(event), cuts, (events, where) => {
    const stream = events.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
    const tokens = events.filter(({ text }) => text !== undefined && text !== "").length;
    assert.equal(scan(mark, stream, where), tokens);
  }));
});

Deno.test("a line that has not ended does not count", () => {
  const mark = APIS["openai-chat"].token;
  assert.equal(scan(mark, 'data: {"content":"a"}'), 0);
  assert.equal(scan(mark, 'data: {"content":"a"}\ndata: {"content":"b"'), 1);
});

Deno.test("empty, null and later texts of one line are told apart", () => {
  const mark = APIS["openai-chat"].token;
  assert.equal(scan(mark, '{"content":""}\n{"content":null}\n{"content": ""}\n'), 0);
  assert.equal(scan(mark, '{"content":null,"reasoning_content": "a"}\n'), 1);
  assert.equal(scan(APIS["openai-completions"].token, '{"ttext":"a"}\n{"texttext": "a"}\n'), 2);
});
