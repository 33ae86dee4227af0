/** Which model an adapter was trained on, as its `adapter_config.json` says. */

import * as z from "zod";

const SettingsShape = z.object({ base_model_name_or_path: z.string().nullish() });

/** What a model's name may have behind that of the model it was made from: a format. */
const FORMAT =
  /^([-_.:](gguf|awq|gptq|fp8|fp16|bf16|f16|f32|i?q\d\w*|int\d|\d+-?bits?|dynamic))*$/i;

/**
 * TGI's warning when an adapter names another model than the one that is served; null when it names
 * that one, or none. An adapter that does not fit is refused by the core, by its shapes.
 */
export async function baseWarning(
  adapterId: string,
  settingsFile: string,
  modelId: string,
): Promise<string | null> {
  const text = await Deno.readTextFile(settingsFile).catch(() => "");
  const base = baseOf(text);
  if (base === null || isMadeFrom(base, modelId)) return null;
  return `Adapter '${adapterId}' was not trained on base model '${modelId}'. If you encounter ` +
    `issues, use --model-id '${base}' instead.`;
}

/** Null where the settings name no model; what is no settings at all is left to the core. */
function baseOf(text: string): string | null {
  try {
    const { success, data } = SettingsShape.safeParse(JSON.parse(text));
    return success ? data.base_model_name_or_path || null : null;
  } catch {
    return null;
  }
}

/** Whether a model's id or path is that of the base, or of the base in another format. */
export function isMadeFrom(base: string, modelId: string): boolean {
  const [wanted, served] = [lastPart(base), lastPart(modelId)];
  return served.startsWith(wanted) && FORMAT.test(served.slice(wanted.length));
}

/** The name without its owner or folder, in small letters. */
function lastPart(name: string): string {
  return name.toLowerCase().replace(/[/\\]+$/, "").split(/[/\\]/).at(-1) ?? "";
}
