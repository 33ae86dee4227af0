/** Llama 3.1 and later: the whole turn is `{"name", "parameters"}`, several parted by `;`. */

import { JsonCallReader } from "./json_calls.ts";
import type { ToolFormat } from "./format.ts";

/** https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/ */
export const llama3Json: ToolFormat = {
  name: "llama3_json",
  matches: (template) =>
    /"?parameters"?\s*:\s*dictionary of argument|<\|python_tag\|>/.test(template),
  markers: ["<|python_tag|>"],
  reader: (tools) =>
    new JsonCallReader({ open: "<|python_tag|>", close: null, bare: true, named: false }, tools),
};
