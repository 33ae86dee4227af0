/** Mistral: `[TOOL_CALLS][{"name", "arguments"}, …]`, in later models `[TOOL_CALLS]name[ARGS]{…}`. */

import { JsonCallReader } from "./json_calls.ts";
import type { ToolFormat } from "./format.ts";

/** https://github.com/mistralai/mistral-common */
export const mistral: ToolFormat = {
  name: "mistral",
  matches: (template) => template.includes("[TOOL_CALLS]"),
  markers: ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
  reader: (tools) =>
    new JsonCallReader({ open: "[TOOL_CALLS]", close: null, bare: false, named: true }, tools),
};
