/** Hermes, Qwen and most fine-tunes: `<tool_call>{"name", "arguments"}</tool_call>`, repeated. */

import { callSchema } from "./call_schema.ts";
import { JsonCallReader } from "./json_calls.ts";
import type { ToolFormat } from "./format.ts";

/** https://github.com/NousResearch/Hermes-Function-Calling */
export const hermes: ToolFormat = {
  name: "hermes",
  matches: (template) => template.includes("<tool_call>"),
  markers: ["<tool_call>", "</tool_call>"],
  reader: (tools) =>
    new JsonCallReader(
      { open: "<tool_call>", close: "</tool_call>", bare: false, named: false },
      tools,
    ),
  grammar: (tools, many) => {
    const { call, $defs } = callSchema(tools);
    const turn = many ? "(until0 call)* TEXT?" : "TEXT? | until0 call";
    return {
      lark: `turn: ${turn}\ncall: GAP? @schema0 mark1\nGAP: /\\s{1,8}/`,
      schemas: [{ ...call, $defs }],
      marks: ["<tool_call>", "</tool_call>"],
    };
  },
};
