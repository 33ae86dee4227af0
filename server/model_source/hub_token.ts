/** The access token for the hub, by the rules of `huggingface_hub` (`utils/_auth.py`). */

import { hubHome, type Variables } from "./cache_folders.ts";
import { join } from "node:path";

/** A token, and where it came from: messages name the place, never the token. */
export interface HubToken {
  readonly secret: string;
  readonly source: string;
}

/** The token of `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else the file that `hf auth login` writes. */
export async function findToken(
  variables: Variables,
  given: string | null,
): Promise<HubToken | null> {
  const disabled = ["1", "true", "yes", "on"].includes(
    (variables("HF_HUB_DISABLE_IMPLICIT_TOKEN") ?? "").toLowerCase(),
  );
  const legacy = variables("HUGGING_FACE_HUB_TOKEN") ?? null;
  const found = asToken(given, "HF_TOKEN") ?? asToken(legacy, "HUGGING_FACE_HUB_TOKEN");
  if (found !== null || disabled) return found;
  const path = variables("HF_TOKEN_PATH") || join(hubHome(variables), "token");
  return asToken(await Deno.readTextFile(path).catch(() => null), path);
}

/** Line breaks come with files and shells, and no header may have them. */
function asToken(text: string | null, source: string): HubToken | null {
  const secret = text?.replaceAll(/\s/g, "") ?? "";
  return secret === "" ? null : { secret, source };
}
