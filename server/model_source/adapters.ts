/** From `--lora-adapters` to folders on this disk. */

import { join, resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../log.ts";
import type { AdapterName } from "../options/adapters.ts";
import { baseWarning } from "./adapter_base.ts";
import { hubCacheFolder } from "./cache_folders.ts";
import { fetchFromHub } from "./hub.ts";
import { findSnapshot } from "./hub_cache.ts";
import { HubUnreachable } from "./hub_fetch.ts";
import type { ModelChoice } from "./model_choice.ts";
import { modelError } from "./model_error.ts";
import { type HubReference, isPath, readHubReference } from "./model_id.ts";
import { hubAccess, type ModelRequest, type ModelTools, remedy } from "./resolve.ts";

/** An adapter's place. */
export interface AdapterFolder {
  /** What requests call it. */
  readonly id: string;
  /** The folder with its settings and weights. */
  readonly path: string;
}

/** What PEFT saves of an adapter and the core reads. */
const SETTINGS = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

const log = getLogger([LOG_CATEGORY, "model"]);

/**
 * Finds or fetches the adapters, one by one: a folder of that name, else the hub's cache, else the
 * hub.
 *
 * @throws StartError with exit code 3, one sentence, when one cannot be had.
 */
export async function resolveAdapters(
  names: readonly AdapterName[],
  request: ModelRequest,
  tools: ModelTools,
): Promise<readonly AdapterFolder[]> {
  const found: AdapterFolder[] = [];
  for (const name of names) {
    const path = await folderOf(name, request, tools);
    log.info`Adapter ${name.id}: ${path}`;
    const warning = await baseWarning(name.id, join(path, SETTINGS), request.modelId);
    if (warning !== null) log.warn`${warning}`;
    found.push({ id: name.id, path });
  }
  return found;
}

async function folderOf(
  { id, source, revision }: AdapterName,
  request: ModelRequest,
  tools: ModelTools,
): Promise<string> {
  const isFolder = await Deno.stat(source).then((info) => info.isDirectory, () => false);
  if (isFolder) return resolve(source);
  if (isPath(source)) {
    throw modelError(
      `Cannot load the adapter ${id}: there is no folder ${source}; check --lora-adapters.`,
    );
  }
  const reference = readHubReference(source, revision, null);
  const cache = hubCacheFolder(tools.variables, request.huggingfaceHubCache);
  const snapshot = await findSnapshot(cache, reference.model);
  if (snapshot?.files.includes(SETTINGS) && snapshot.files.includes(WEIGHTS)) {
    return snapshot.folder;
  }
  return await fetched(id, reference, request, tools);
}

async function fetched(
  id: string,
  reference: HubReference,
  request: ModelRequest,
  tools: ModelTools,
): Promise<string> {
  const refuse = (reason: string) =>
    modelError(
      `Cannot fetch the adapter ${id} from the hub: ${reason}; ${remedy(request)}, or name a ` +
        "folder by --lora-adapters id=path.",
    );
  if (request.hfHubOffline) throw refuse("HF_HUB_OFFLINE is set");
  try {
    const access = await hubAccess(request, tools, "other");
    return (await fetchFromHub(reference, access, chooseAdapter)).path;
  } catch (error) {
    if (error instanceof HubUnreachable) throw refuse(error.message);
    throw error;
  }
}

/** @throws StartError when the repository holds no adapter. */
function chooseAdapter(place: string, names: readonly string[]): ModelChoice {
  const missing = [SETTINGS, WEIGHTS].filter((name) => !names.includes(name));
  if (missing.length === 0) {
    return { kind: "safetensors", reason: "its adapter", side: [SETTINGS], weights: [WEIGHTS] };
  }
  throw modelError(
    `Cannot load the adapter ${place}: it lacks ${missing.join(" and ")}; check --lora-adapters.`,
  );
}
