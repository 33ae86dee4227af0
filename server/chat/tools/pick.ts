/** Which format a model calls tools in, by the words of its chat template. */

import type { ToolFormat } from "./format.ts";
import { generic } from "./generic.ts";
import { hermes } from "./hermes.ts";
import { llama3Json } from "./llama3_json.ts";
import { mistral } from "./mistral.ts";
import { pythonic } from "./pythonic.ts";

/** From the most telling mark to the least. */
const FORMATS: readonly ToolFormat[] = [mistral, hermes, pythonic, llama3Json];

/** The format that a template teaches; the generic one when it does not show tools at all. */
export function pickFormat(template: string | null): ToolFormat {
  if (template === null || !/\btools\b/.test(template)) return generic;
  return FORMATS.find((format) => format.matches(template)) ?? generic;
}
