/** Hermes, Qwen and most fine-tunes: `<tool_call>{"name", "arguments"}</tool_call>`, repeated. */

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
};
