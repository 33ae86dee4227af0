/** Llama 3.1 and later: the whole turn is `{"name", "parameters"}`, several parted by `;`. */

import { callSchema } from "./call_schema.ts";
import { JsonCallReader } from "./json_calls.ts";
import type { ToolFormat } from "./format.ts";
import { FREE_RULES } from "./strict.ts";

/** https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/ */
export const llama3Json: ToolFormat = {
  name: "llama3_json",
  matches: (template) =>
    /"?parameters"?\s*:\s*dictionary of argument|<\|python_tag\|>/.test(template),
  markers: ["<|python_tag|>"],
  reader: (tools) =>
    new JsonCallReader({ open: "<|python_tag|>", close: null, bare: true, named: false }, tools),
  grammar: (tools, many) => {
    const { call, $defs } = callSchema(tools, {
      before: { type: { const: "function" } },
      arguments: "parameters",
    });
    const calls = many ? "@schema0 (/\\s{0,8};\\s{0,8}/ @schema0)*" : "@schema0";
    return {
      lark: `turn: FREE | GAP? calls | FREE? mark0 GAP? calls\ncalls: ${calls}\n` +
        `${FREE_RULES} & ~/(.|\\n)*<\\|python_tag\\|>(.|\\n)*/`,
      schemas: [{ ...call, $defs }],
      marks: ["<|python_tag|>"],
    };
  },
};
