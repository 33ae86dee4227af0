import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { ChatDelta, DeltaReader } from "../delta.ts";
import { ForcedReader } from "./forced.ts";
import type { ToolFormat } from "./format.ts";
import { generic } from "./generic.ts";
import { hermes } from "./hermes.ts";
import { llama3Json } from "./llama3_json.ts";
import { mistral } from "./mistral.ts";
import { pythonic } from "./pythonic.ts";
import {
  only,
  S,
  sampleTurns,
  sum,
  tools,
  type Turn,
  W,
  weather,
} from "../../../tests/fakes/sample_turns.ts";

function read(reader: DeltaReader, parts: readonly string[]): Turn {
  const deltas: ChatDelta[] = parts.flatMap((part) => [...reader.push(part)]);
  deltas.push(...reader.end());
  return {
    content: deltas.map((delta) => delta.kind === "content" ? delta.text : "").join(""),
    calls: deltas.flatMap((delta, place) =>
      delta.kind === "call" ? [[delta.name, argumentsAt(deltas, place + 1)] as const] : []
    ),
  };
}

/** The arguments of the call before `place`, put together from their pieces. */
function argumentsAt(deltas: readonly ChatDelta[], place: number): string {
  const end = deltas.findIndex(({ kind }, at) => at >= place && kind === "call");
  return deltas.slice(place, end < 0 ? deltas.length : end)
    .map((delta) => delta.kind === "arguments" ? delta.text : "").join("");
}

for (const [format, given, expected] of sampleTurns) {
  Deno.test(`${format.name} reads ${JSON.stringify(given).slice(0, 70)}`, () => {
    deepEqual(read(format.reader(tools), [given]), expected);
  });
}

Deno.test("every cut of every turn in two gives what the whole gives", () => {
  let cuts = 0;
  for (const [format, given, expected] of sampleTurns) {
    for (let cut = 0; cut <= given.length; cut += 1) {
      const parts = [given.slice(0, cut), given.slice(cut)];
      deepEqual(read(format.reader(tools), parts), expected, `${format.name} cut at ${cut}`);
      cuts += 1;
    }
    deepEqual(read(format.reader(tools), given.split("")), expected, `${format.name} by letters`);
  }
  equal(cuts > 2000, true);
});

Deno.test("arguments come in pieces, as their tokens or their values are written", () => {
  const pieces = (format: ToolFormat, given: string) => {
    const reader = format.reader(tools);
    return given.split(/(?=[ ,:"])/).flatMap((token) => [...reader.push(token)]);
  };
  const begun = { kind: "call", name: "add" } as const;
  const told = (...texts: string[]) => texts.map((text) => ({ kind: "arguments", text }));
  for (
    const [format, given] of [[hermes, `<tool_call>${S}</tool_call>`], [generic, `[${S}]`]] as const
  ) {
    deepEqual(pieces(format, given), [
      begun,
      ...told("{", '"a', '"', ":", "1", ",", '"b', '"', ":", "2.50}"),
    ]);
  }
  deepEqual(pieces(pythonic, "[add(a=1, b=2.50)]"), [begun, ...told('{"a":1', ',"b":2.50}')]);
});

Deno.test("a forced turn that is cut off anywhere is calls and no text", () => {
  const given = `[${W}, ${S}]`;
  for (let cut = 0; cut <= given.length; cut += 1) {
    const { content, calls } = read(new ForcedReader(tools), [given.slice(0, cut)]);
    equal(content, "");
    const whole = [weather, sum].slice(0, calls.length);
    deepEqual(calls.map(([name]) => name), whole.map(([name]) => name));
    calls.forEach(([, args], place) => equal(whole[place]?.[1].startsWith(args), true));
  }
  deepEqual(read(new ForcedReader(new Set(["add"])), ['[{"na']), only(["add", ""]));
  deepEqual(read(new ForcedReader(tools), ['[{"na']), only());
});

Deno.test("random texts in random cuts give what the whole gives, and lose no more than marks", () => {
  const words = [
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "[ARGS]",
    W,
    S,
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    " ",
    "\n",
    '"',
    "get_weather",
    "(",
    ")",
    "x",
    "<",
  ];
  const parts = fc.array(fc.constantFrom(...words), { maxLength: 12 });
  const cuts = fc.array(fc.nat(400), { maxLength: 6 });
  for (const format of [hermes, llama3Json, mistral, generic, pythonic]) {
    fc.assert(
      fc.property(parts, cuts, (parts, cuts) => {
        const given = parts.join("");
        const places = [0, ...cuts.map((cut) => cut % (given.length + 1)), given.length]
          .toSorted((a, b) => a - b);
        const pieces = places.slice(1).map((place, index) => given.slice(places[index], place));
        const whole = read(format.reader(tools), [given]);
        deepEqual(read(format.reader(tools), pieces), whole);
        if (whole.calls.length === 0) {
          const marks = /<\/?tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>|[\s,;[\]]/g;
          const bare = (text: string) => text.replaceAll(marks, "");
          equal(bare(whole.content), bare(given));
        }
      }),
      { numRuns: 1000 },
    );
  }
});
