import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { ChatDelta, DeltaReader } from "../delta.ts";
import type { ToolFormat } from "./format.ts";
import { generic } from "./generic.ts";
import { hermes } from "./hermes.ts";
import { llama3Json } from "./llama3_json.ts";
import { mistral } from "./mistral.ts";
import { pythonic } from "./pythonic.ts";

const tools = new Set(["get_weather", "add"]);

/** Content and calls of a turn, whatever its cuts. */
interface Turn {
  readonly content: string;
  readonly calls: readonly (readonly [name: string, args: string])[];
}

function read(reader: DeltaReader, parts: readonly string[]): Turn {
  const deltas: ChatDelta[] = parts.flatMap((part) => [...reader.push(part)]);
  deltas.push(...reader.end());
  return {
    content: deltas.map((delta) => delta.kind === "content" ? delta.text : "").join(""),
    calls: deltas.flatMap((delta) =>
      delta.kind === "call" ? [[delta.call.name, delta.call.arguments] as const] : []
    ),
  };
}

const weather = ["get_weather", '{"city":"Berlin"}'] as const;
const sum = ["add", '{"a":1,"b":2.50}'] as const;
const only = (...calls: Turn["calls"]): Turn => ({ content: "", calls });
const text = (content: string): Turn => ({ content, calls: [] });

const W = '{"name": "get_weather", "arguments": {"city": "Berlin"}}';
const S = '{"name": "add", "arguments": {"a": 1, "b": 2.50}}';
const P = W.replace("arguments", "parameters");

const turns: readonly (readonly [ToolFormat, string, Turn])[] = [
  [hermes, `<tool_call>\n${W}\n</tool_call>`, only(weather)],
  [
    hermes,
    `<tool_call>\n${W}\n</tool_call>\n<tool_call>\n${S}\n</tool_call>\n`,
    only(weather, sum),
  ],
  [hermes, `Let me see.\n<tool_call>${W}</tool_call>`, {
    content: "Let me see.",
    calls: [weather],
  }],
  [hermes, `<tool_call>${W}</tool_call> Done.`, { content: "Done.", calls: [weather] }],
  [hermes, "plain <b>text</b> with  two blanks \n", text("plain <b>text</b> with  two blanks \n")],
  [hermes, "<tool_call>{broken}</tool_call>", text("<tool_call>{broken}</tool_call>")],
  [hermes, `<tool_call>\n{"name": "get_wea`, text('<tool_call>\n{"name": "get_wea')],
  [
    hermes,
    `<tool_call>{"name":"add","arguments":{"s":"</tool_call> \\" }"}}</tool_call>`,
    only([
      "add",
      '{"s":"</tool_call> \\" }"}',
    ]),
  ],
  [hermes, `<tool_call>${W}${S}</tool_call>`, only(weather, sum)],
  [
    hermes,
    `<tool_call>{"name":"add","arguments":"{\\"a\\":1}"}</tool_call>`,
    only([
      "add",
      '{"a":1}',
    ]),
  ],
  [
    hermes,
    `<tool_call>{"name":"add","arguments":{"a":12345678901234567890}}</tool_call>`,
    only([
      "add",
      '{"a":12345678901234567890}',
    ]),
  ],
  [llama3Json, P, only(weather)],
  [llama3Json, `<|python_tag|>${P}`, only(weather)],
  [llama3Json, `${P}; ${S}`, only(weather, sum)],
  [
    llama3Json,
    '{"name": "unknown", "parameters": {}}',
    text('{"name": "unknown", "parameters": {}}'),
  ],
  [llama3Json, ' {"answer": 42} is it', text(' {"answer": 42} is it')],
  [llama3Json, "Hello {there}", text("Hello {there}")],
  [mistral, `[TOOL_CALLS][${W}, ${S}]`, only(weather, sum)],
  [mistral, `[TOOL_CALLS] [${W}]\n`, only(weather)],
  [mistral, '[TOOL_CALLS]get_weather[ARGS]{"city": "Berlin"}', only(weather)],
  [mistral, '[TOOL_CALLS]get_weather{"city": "Berlin"}', only(weather)],
  [
    mistral,
    '[TOOL_CALLS]get_weather[CALL_ID]a1[ARGS]{"city": "Berlin"}[TOOL_CALLS]add[ARGS]{"a": 1, "b": 2.50}',
    only(weather, sum),
  ],
  [mistral, "I see [1] and [TOOL]", text("I see [1] and [TOOL]")],
  [mistral, "[TOOL_CALLS]no call", text("[TOOL_CALLS]no call")],
  [generic, `[${W}, ${S}]`, only(weather, sum)],
  [generic, `\n${W}`, only(weather)],
  [generic, `[${W}]\nThat is all.`, { content: "That is all.", calls: [weather] }],
  [generic, "[1, 2, 3]", text("[1, 2, 3]")],
  [generic, "[", text("[")],
  [generic, "", text("")],
  [pythonic, '[get_weather(city="Berlin")]', only(weather)],
  [pythonic, "[get_weather(city='Berlin'), add(a=1, b=2.50)]", only(weather, sum)],
  [
    pythonic,
    "[add(a=[1, -2.5, .5], b={'k': (True, None)}, c='\\'\\u00e9\\n)]')]",
    only([
      "add",
      '{"a":[1,-2.5,0.5],"b":{"k":[true,null]},"c":"\'é\\n)]"}',
    ]),
  ],
  [pythonic, "[add()]", only(["add", "{}"])],
  [pythonic, "[unknown(a=1)]", text("[unknown(a=1)]")],
  [pythonic, "[1] says so", text("[1] says so")],
  [pythonic, "[add(a=b)]", text("[add(a=b)]")],
  [pythonic, "[add(a=constructor)]", text("[add(a=constructor)]")],
  [pythonic, '[add(a="unfinished', text('[add(a="unfinished')],
];

for (const [format, given, expected] of turns) {
  Deno.test(`${format.name} reads ${JSON.stringify(given).slice(0, 70)}`, () => {
    deepEqual(read(format.reader(tools), [given]), expected);
  });
}

Deno.test("every cut of every turn in two gives what the whole gives", () => {
  let cuts = 0;
  for (const [format, given, expected] of turns) {
    for (let cut = 0; cut <= given.length; cut += 1) {
      const parts = [given.slice(0, cut), given.slice(cut)];
      deepEqual(read(format.reader(tools), parts), expected, `${format.name} cut at ${cut}`);
      cuts += 1;
    }
    deepEqual(read(format.reader(tools), given.split("")), expected, `${format.name} by letters`);
  }
  equal(cuts > 1000, true);
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
