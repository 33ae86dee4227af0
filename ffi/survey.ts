/** What the core knows before it is opened: the machine, and what a configuration would take. */

import { StartError } from "../server/errors.ts";
import type { CoreLibrary } from "./library.ts";
import { lastError, readText } from "./text.ts";
import type { EngineConfig, Machine, Survey } from "./types.ts";

/** Longest survey: its problem may name a path. */
const SURVEY_BYTES = 64 * 1024;

/** What this machine offers. */
export function surveyMachine({ symbols }: CoreLibrary): Machine {
  return JSON.parse(readText((buffer, cap) => symbols.tgi_machine(buffer, cap))) as Machine;
}

/**
 * What `config` would take and serve; the weights are not loaded.
 *
 * @throws StartError with the core's one sentence when the model cannot be read.
 */
export async function surveyConfig(
  { symbols }: CoreLibrary,
  config: EngineConfig,
): Promise<Survey> {
  const json = new TextEncoder().encode(JSON.stringify(config));
  const text = new Uint8Array(SURVEY_BYTES);
  const bytes = await symbols.tgi_plan(json, json.length, text, text.length);
  if (bytes < 0) throw new StartError(lastError(symbols));
  return JSON.parse(new TextDecoder().decode(text.subarray(0, bytes))) as Survey;
}
