/** Turns that may be text, and whose calls keep to the schemas of tools that are `strict`. */

import type { Grammar } from "../../../ffi/types.ts";
import type { ReasoningTags } from "../reasoning.ts";
import type { Tool, ToolFormat } from "./format.ts";

/** A text that begins like no call: not with a bracket. Rules of formats without a mark use it. */
export const FREE_RULES = "GAP: /\\s{1,8}/\nFREE: /\\s*([^\\s{\\[](.|\\n)*)?/";

/** How a turn reasons before it answers, if it does. */
export interface TurnReasoning {
  readonly tags: ReasoningTags;
  /** Whether the prompt has opened the reasoning. */
  readonly inside: boolean;
}

/**
 * The grammar of a turn in a format: reasoning, text and calls. The arguments of tools that are not
 * strict are any JSON object. Throws a `ValidationError` for a tool that the format cannot hold.
 */
export function strictGrammar(
  format: ToolFormat,
  tools: readonly Tool[],
  many: boolean,
  reasoning: TurnReasoning | null,
): Grammar {
  const held = tools.map((tool) =>
    tool.strict ? tool : { ...tool, parameters: { type: "object" } }
  );
  const { lark, schemas, marks } = format.grammar(held, many);
  const tags = reasoning === null ? [] : [reasoning.tags.open, reasoning.tags.close];
  const start = startRule(reasoning, marks.length);
  const value = { lark: `${start}\n${lark}`, schemas, marks: [...marks, ...tags] };
  return { type: "composed", value };
}

/** A turn may end inside of its reasoning. `open` is the place of the opening tag's mark. */
function startRule(reasoning: TurnReasoning | null, open: number): string {
  if (reasoning === null) return "start: turn";
  const reasoned = `until${open + 1} turn | TEXT?`;
  return reasoning.inside ? `start: ${reasoned}` : `start: turn | mark${open} (${reasoned})`;
}
