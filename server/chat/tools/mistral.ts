/** Mistral: `[TOOL_CALLS][{"name", "arguments"}, …]`, in later models `[TOOL_CALLS]name[ARGS]{…}`. */

import { callListSchema, toolDefinitions } from "./call_schema.ts";
import { JsonCallReader } from "./json_calls.ts";
import type { ToolFormat } from "./format.ts";

/** https://github.com/mistralai/mistral-common */
export const mistral: ToolFormat = {
  name: "mistral",
  matches: (template) => template.includes("[TOOL_CALLS]"),
  markers: ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
  reader: (tools) =>
    new JsonCallReader({ open: "[TOOL_CALLS]", close: null, bare: false, named: true }, tools),
  grammar: (tools, many) => {
    const turn = many ? "(until0 call)* TEXT?" : "TEXT? | until0 call";
    const $defs = toolDefinitions(tools);
    const named = tools.map(({ name }, index) =>
      `${JSON.stringify(name)} head @schema${index + 1}`
    );
    return {
      lark: `turn: ${turn}\ncall: GAP? @schema0 | ${named.join(" | ")}\n` +
        "head: (mark2 /[A-Za-z0-9]{1,32}/)? mark1?\nGAP: /\\s{1,8}/",
      schemas: [
        callListSchema(tools, many),
        ...tools.map((_, index) => ({ $ref: `#/$defs/tool${index}`, $defs })),
      ],
      marks: ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
    };
  },
};
