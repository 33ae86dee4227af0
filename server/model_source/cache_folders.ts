/** Where models are kept: the hub's standard cache, and our own beside it. */

import { join } from "node:path";

/** Reads one environment variable. */
export type Variables = (name: string) => string | undefined;

/**
 * The hub's standard cache, by the rules of `huggingface_hub` (`constants.py`); `chosen` is the
 * flag's value and wins.
 */
export function hubCacheFolder(variables: Variables, chosen: string | null = null): string {
  const folder = chosen ?? set(variables, "HF_HUB_CACHE") ??
    set(variables, "HUGGINGFACE_HUB_CACHE");
  return folder === undefined ? join(hubHome(variables), "hub") : atHome(variables, folder);
}

/** Where the hub's tools keep what they have: `HF_HOME`, else a folder in the user's cache. */
export function hubHome(variables: Variables): string {
  const folder = set(variables, "HF_HOME");
  return folder === undefined
    ? join(userCacheFolder(variables), "huggingface")
    : atHome(variables, folder);
}

/** Where models that came from packages lie, one folder for each SHA-256. */
export function modelCacheFolder(variables: Variables): string {
  return join(userCacheFolder(variables), "tgi", "models");
}

/** `$XDG_CACHE_HOME`, else `~/.cache`; the temporary folder where there is no home. */
function userCacheFolder(variables: Variables): string {
  const home = set(variables, "HOME") ?? set(variables, "USERPROFILE");
  return set(variables, "XDG_CACHE_HOME") ??
    join(home ?? set(variables, "TMPDIR") ?? "/tmp", ".cache");
}

/** `~/models` as a shell would read it; variables of containers come without a shell. */
function atHome(variables: Variables, folder: string): string {
  const home = set(variables, "HOME") ?? set(variables, "USERPROFILE");
  return home === undefined ? folder : folder.replace(/^~(?=$|\/)/, home);
}

function set(variables: Variables, name: string): string | undefined {
  return variables(name) || undefined;
}
