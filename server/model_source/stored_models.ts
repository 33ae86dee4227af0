/** The models on this disk: those of the hub's standard cache, and our own beside it. */

import { join } from "node:path";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";

/** Where models lie. */
export interface ModelFolders {
  /** The hub's standard cache. */
  readonly hub: string;
  /** Our own, for models from packages. */
  readonly own: string;
}

/** A model with its files. */
export interface StoredModel {
  /** Id of the repository. */
  readonly id: string;
  readonly folder: string;
  /** What it takes on the disk; links count nothing. */
  readonly bytes: number;
  /** Names of the files that can be served, sorted. */
  readonly ggufFiles: readonly string[];
}

/** All models, by their ids. */
export async function listModels(
  folders: ModelFolders,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<StoredModel[]> {
  const found: StoredModel[] = [];
  for (const name of await namesIn(folders.hub)) {
    const [kind, ...parts] = name.split("--");
    if (kind !== "models" || parts.length === 0) continue;
    found.push(await describe(parts.join("/"), join(folders.hub, name)));
  }
  const own = await ownModel(folders, pinned);
  return (own === null ? found : [...found, own]).sort((a, b) => a.id.localeCompare(b.id));
}

/** Removes a model wherever it lies; gives the bytes that are free again, null when it is nowhere. */
export async function removeModel(
  folders: ModelFolders,
  id: string,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<number | null> {
  const stored = (await listModels(folders, pinned)).filter((model) => model.id === id);
  for (const { folder } of stored) await Deno.remove(folder, { recursive: true });
  return stored.length === 0 ? null : stored.reduce((bytes, model) => bytes + model.bytes, 0);
}

async function ownModel(folders: ModelFolders, pinned: PinnedModel): Promise<StoredModel | null> {
  const folder = join(folders.own, pinned.sha256);
  const model = await describe(pinned.repository ?? pinned.file, folder);
  return model.ggufFiles.length === 0 ? null : model;
}

async function describe(id: string, folder: string): Promise<StoredModel> {
  const gguf = new Set<string>();
  let bytes = 0;
  for await (const path of filesIn(folder)) {
    if (path.endsWith(".gguf")) gguf.add(path.slice(path.lastIndexOf("/") + 1));
    const info = await Deno.lstat(path);
    if (!info.isSymlink) bytes += info.size;
  }
  return { id, folder, bytes, ggufFiles: [...gguf].sort() };
}

async function* filesIn(folder: string): AsyncGenerator<string> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if ((await Deno.lstat(path)).isDirectory) yield* filesIn(path);
    else yield path;
  }
}

/** Names in a folder; none where it is missing. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}
