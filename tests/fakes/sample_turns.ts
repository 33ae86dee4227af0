/** Turns as models write them in each format, and what they say: for the tests of their readers. */

import type { ToolFormat } from "../../server/chat/tools/format.ts";
import { generic } from "../../server/chat/tools/generic.ts";
import { hermes } from "../../server/chat/tools/hermes.ts";
import { llama3Json } from "../../server/chat/tools/llama3_json.ts";
import { mistral } from "../../server/chat/tools/mistral.ts";
import { pythonic } from "../../server/chat/tools/pythonic.ts";

/** The tools of {@link sampleTurns}. */
export const tools: ReadonlySet<string> = new Set(["get_weather", "add"]);

/** Content and calls of a turn, whatever its cuts. */
export interface Turn {
  readonly content: string;
  readonly calls: readonly (readonly [name: string, args: string])[];
}

/** A call with a text. */
export const weather = ["get_weather", '{"city":"Berlin"}'] as const;
/** A call with numbers. */
export const sum = ["add", '{"a":1,"b":2.50}'] as const;
/** A turn of nothing but calls. */
export const only = (...calls: Turn["calls"]): Turn => ({ content: "", calls });
const text = (content: string): Turn => ({ content, calls: [] });

/** {@link weather} as a JSON object. */
export const W = '{"name": "get_weather", "arguments": {"city": "Berlin"}}';
/** {@link sum} as a JSON object. */
export const S = '{"name": "add", "arguments": {"a": 1, "b": 2.50}}';
const P = W.replace("arguments", "parameters");

/** Format, text and meaning. */
export const sampleTurns: readonly (readonly [ToolFormat, string, Turn])[] = [
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
  [hermes, '<tool_call>{"name": "add", "argu', only(["add", ""])],
  [hermes, `<tool_call>${S.slice(0, 36)}`, only(["add", '{"a":1'])],
  [hermes, `<tool_call>${S.slice(0, -1)}</tool_call> Done.`, { content: "Done.", calls: [sum] }],
  [hermes, `<tool_call>{"name":"add","arguments":{"a":'x'}}</tool_call>`, {
    content: `'x'}}</tool_call>`,
    calls: [["add", '{"a":']],
  }],
  [hermes, '<tool_call>{"name":"add","arguments":null}</tool_call>', only(["add", "{}"])],
  [hermes, '<tool_call>{"name":"add"}</tool_call>', only(["add", "{}"])],
  [hermes, '<tool_call>{"name":"add","arguments":""}</tool_call>', only(["add", "{}"])],
  [
    hermes,
    '<tool_call>{"arguments": {"a": 1}, "name": "add"}</tool_call>',
    only(["add", '{"a":1}']),
  ],
  [
    hermes,
    '<tool_call>{"name": "other", "arguments": {"a": 1}}</tool_call>',
    only([
      "other",
      '{"a":1}',
    ]),
  ],
  [
    hermes,
    '<tool_call>{"name":"add","arguments":{"name":"x","arguments":{}},"id":"1"}</tool_call>',
    only([
      "add",
      '{"name":"x","arguments":{}}',
    ]),
  ],
  [hermes, `<tool_call>{"type":"function","function":${S}}</tool_call>`, only(sum)],
  [
    hermes,
    '<tool_call>{"name":"add","arguments":"{\\"s\\": \\"\\ud83d\\ude00 \\\\\\" \\"}"}</tool_call>',
    only([
      "add",
      '{"s":"\ud83d\ude00 \\" "}',
    ]),
  ],
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
  [llama3Json, P.replace("{", '{"type": "function", '), only(weather)],
  [llama3Json, `${P}; ${S.slice(0, 43)}`, only(weather, ["add", '{"a":1,"b":'])],
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
  [mistral, '[TOOL_CALLS]get_weather[ARGS]{"city": "Be', only(["get_weather", '{"city":"Be'])],
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
  [pythonic, '[add(a=1, b="unfinished', only(["add", '{"a":1'])],
  [pythonic, '[add(a=1,), get_weather(city="Ber', only(["add", '{"a":1}'], ["get_weather", ""])],
  [pythonic, "[add(a=1), ad", only(["add", '{"a":1}'])],
  [pythonic, "[add(a=1, b=oops)]", { content: " b=oops)]", calls: [["add", '{"a":1']] }],
];
