/**
 * Grammars of turns with strict tools, one for each format, with texts that they allow and refuse.
 * The core's tests read them from `core-rs/engine/tests/data/tool_grammars.json`; this module writes
 * that file: `deno run -A tests/grammar/tool_grammars.ts`.
 */

import { toolChoice } from "../../server/chat/tools/choice.ts";
import type { ToolFormat } from "../../server/chat/tools/format.ts";
import { generic } from "../../server/chat/tools/generic.ts";
import { hermes } from "../../server/chat/tools/hermes.ts";
import { llama3Json } from "../../server/chat/tools/llama3_json.ts";
import { mistral } from "../../server/chat/tools/mistral.ts";
import { pythonic } from "../../server/chat/tools/pythonic.ts";
import { strictGrammar, type TurnReasoning } from "../../server/chat/tools/strict.ts";

/** Where the core's tests look. */
export const FILE = new URL(
  "../../core-rs/engine/tests/data/tool_grammars.json",
  import.meta.url,
);

const city = { enum: ["Berlin", "Paris"] };
const parameters = {
  type: "object",
  properties: { city: { $ref: "#/$defs/city" }, days: { type: "integer" } },
  required: ["city"],
  additionalProperties: false,
  $defs: { city },
};

/** One strict tool and one that is not. */
export const { tools } = toolChoice({
  messages: [{ role: "user" }],
  tools: [
    { function: { name: "get_weather", parameters, strict: true } },
    { function: { name: "note", parameters: { type: "object", properties: {} } } },
  ],
});

/** One grammar. */
export interface Sample {
  readonly format: ToolFormat;
  readonly many: boolean;
  readonly reasoning: TurnReasoning | null;
  /** Turns that may end where they end, with the number of their calls. */
  readonly whole: readonly (readonly [text: string, calls: number])[];
  /** Beginnings that must go on. */
  readonly open: readonly string[];
  readonly refused: readonly string[];
}

const tags = { open: "<think>", close: "</think>" };
const good = '{"city": "Berlin", "days": 2}';
const bad = '{"city": "Rome"';
const call = (name: string, given: string, key = "arguments") =>
  `{"name": "${name}", "${key}": ${given}`;
const weather = `${call("get_weather", good)}}`;
const note = `${call("note", '{"a": [1, {"b": null}]}')}}`;
const marked = `<tool_call>\n${weather}\n</tool_call>`;

const one = { many: true, reasoning: null };

/** All formats; text before calls, reasoning and single calls where they differ. */
export const SAMPLES: readonly Sample[] = [
  {
    ...one,
    format: hermes,
    whole: [
      ["", 0],
      ["Hello {there} [1]\n", 0],
      [`Wait.\n${marked}\n<tool_call>${note}</tool_call>`, 2],
    ],
    open: ["<tool_call>", `<tool_call>${weather}`],
    refused: [
      `<tool_call>${call("get_weather", bad)}`,
      `<tool_call>${call("other", "")}`,
      `Hm <tool_call>${call("get_weather", '{"days"')}`,
    ],
  },
  {
    format: hermes,
    many: false,
    reasoning: { tags, inside: false },
    whole: [["Hello", 0], [marked, 1], [`<think>why <tool_call></think>\n${marked}`, 1], [
      "<think>why",
      0,
    ]],
    open: [`<think>why</think><tool_call>`],
    refused: [`${marked}a`, `<think>a</think><tool_call>${call("get_weather", bad)}`],
  },
  {
    ...one,
    format: llama3Json,
    whole: [
      ["It is [1] {sunny}", 0],
      [`${call("get_weather", good, "parameters")}}`, 1],
      [
        `{"type": "function", ${call("note", "{}", "parameters").slice(1)}}; ${
          call("get_weather", good, "parameters")
        }}`,
        2,
      ],
      [`<|python_tag|>${call("get_weather", good, "parameters")}}`, 1],
    ],
    open: ["{", ' {"name": "note"'],
    refused: [
      `<|python_tag|>${call("get_weather", bad, "parameters")}`,
      "Let me see. <|python_tag|>",
      call("get_weather", bad, "parameters"),
      '{"answer"',
      '[{"name"',
    ],
  },
  {
    ...one,
    format: mistral,
    whole: [
      ["It is [1] {sunny}", 0],
      [`[TOOL_CALLS][${weather}, ${note}]`, 2],
      [`[TOOL_CALLS]get_weather[ARGS]${good}[TOOL_CALLS]note{}`, 2],
      [`[TOOL_CALLS]get_weather[CALL_ID]a1b2[ARGS]${good}`, 1],
    ],
    open: ["[TOOL_CALLS]", "[TOOL_CALLS]get_weather[ARGS]"],
    refused: [
      `[TOOL_CALLS][${call("get_weather", bad)}`,
      `[TOOL_CALLS]get_weather[ARGS]${bad}`,
      "[TOOL_CALLS]other",
    ],
  },
  {
    ...one,
    format: generic,
    reasoning: { tags, inside: true },
    whole: [["why", 0], [`why [{ }]</think>\n[${weather}, ${note}]`, 2], ["a</think>It is", 0]],
    open: ["why</think>["],
    refused: [`a</think>[${call("get_weather", bad)}`, "a</think>{"],
  },
  {
    format: generic,
    many: false,
    reasoning: null,
    whole: [["It is [1] {sunny}", 0], [` [${weather}]`, 1]],
    open: ["["],
    refused: [`[${weather}, `, "[]", `[${call("get_weather", bad)}`],
  },
  {
    ...one,
    format: pythonic,
    whole: [
      ["It is [1] {sunny}", 0],
      ['[get_weather(city="Berlin", days=2), note(a=[1, {"b": null}], b="\\b")]', 2],
      ['[get_weather(city="Paris"), note()]', 2],
    ],
    open: ["[", '[get_weather(city="Berlin"'],
    refused: ['[get_weather(city="Rome"', "[get_weather(days=", "[get_weather()", "[other("],
  },
];

/** The file's text. */
export function fileText(): string {
  const entries = SAMPLES.map(({ format, many, reasoning, whole, open, refused }) => {
    const { value } = strictGrammar(format, tools, many, reasoning);
    return {
      format: format.name,
      grammar: value,
      whole: whole.map(([text]) => text),
      open,
      refused,
    };
  });
  return `${JSON.stringify(entries, null, 1)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(FILE, fileText());
