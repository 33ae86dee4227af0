/** The models on this disk: those of the hub's standard cache, and our own beside it. */

import { join, relative } from "node:path";
import { entriesOf, filesBelow, type FoundFile } from "./files_below.ts";
import { isGgufModel } from "./gguf_choice.ts";
import { lockFolder } from "./hub_cache.ts";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";
import { chooseSafetensors } from "./safetensors_choice.ts";

/** Where models lie. */
export interface ModelFolders {
  /** The hub's standard cache. */
  readonly hub: string;
  /** Our own, for models from packages. */
  readonly own: string;
}

/** A commit of a model. */
export interface StoredRevision {
  /** Null for a model from a package. */
  readonly commit: string | null;
  /** Branches and tags that are this commit, sorted. */
  readonly names: readonly string[];
  readonly folder: string;
  /** Size of its files, which other commits may share. */
  readonly bytes: number;
  /** Paths of the `.gguf` files, sorted. */
  readonly ggufFiles: readonly string[];
  /** Files of safetensors weights, where they and their configuration can be served. */
  readonly safetensorsFiles: readonly string[];
}

/** A model with its commits. */
export interface StoredModel {
  /** Id of the repository. */
  readonly id: string;
  readonly folder: string;
  /** What it takes on the disk; links count nothing. */
  readonly bytes: number;
  /** What has come of files that are not whole; part of `bytes`. */
  readonly incompleteBytes: number;
  readonly revisions: readonly StoredRevision[];
}

/** All models, by their ids. */
export async function listModels(
  folders: ModelFolders,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<StoredModel[]> {
  const found: StoredModel[] = [];
  for (const { name } of await entriesOf(folders.hub)) {
    const [kind, ...parts] = name.split("--");
    if (kind !== "models" || parts.length === 0) continue;
    found.push(await hubModel(parts.join("/"), join(folders.hub, name)));
  }
  const own = await ownModel(folders, pinned);
  return (own === null ? found : [...found, own]).sort((a, b) => a.id.localeCompare(b.id));
}

/**
 * Removes a model wherever it lies, or one revision of it (branch, tag or commit): then files that
 * other commits share stay.
 *
 * @returns bytes that are free again; null when it is nowhere.
 */
export async function removeModel(
  folders: ModelFolders,
  id: string,
  revision: string | null = null,
  pinned: PinnedModel = DEFAULT_MODEL,
): Promise<number | null> {
  const stored = (await listModels(folders, pinned)).filter((model) => model.id === id);
  const [model] = stored;
  if (model === undefined) return null;
  if (revision !== null && model.revisions.length > 0) {
    const removed = model.revisions.find(({ commit, names }) =>
      commit === revision || names.includes(revision)
    );
    if (removed === undefined) return null;
    if (model.revisions.length > 1) return await removeRevision(model, removed);
  }
  for (const { folder } of stored) await Deno.remove(folder, { recursive: true });
  await Deno.remove(lockFolder(folders.hub, id), { recursive: true }).catch(() => {});
  return stored.reduce((bytes, each) => bytes + each.bytes, 0);
}

/** Removes one commit of several, with the blobs that no other needs. */
async function removeRevision(model: StoredModel, removed: StoredRevision): Promise<number> {
  const before = await diskBytes(model.folder);
  const needed = new Set<string>();
  for (const { folder } of model.revisions.filter((each) => each !== removed)) {
    for (const { path } of await filesBelow(folder)) needed.add(await Deno.realPath(path));
  }
  const targets = (await filesBelow(removed.folder)).map(({ path }) => Deno.realPath(path));
  for (const target of await Promise.all(targets)) {
    if (!needed.has(target)) await Deno.remove(target).catch(() => {});
  }
  await Deno.remove(removed.folder, { recursive: true });
  for (const name of removed.names) await Deno.remove(join(model.folder, "refs", name));
  return before - await diskBytes(model.folder);
}

async function hubModel(id: string, folder: string): Promise<StoredModel> {
  const names = await namesByCommit(join(folder, "refs"));
  const snapshots = await entriesOf(join(folder, "snapshots"));
  const revisions = await Promise.all(
    snapshots.filter(({ isDirectory }) => isDirectory).map(({ name: commit }) =>
      describe(commit, names.get(commit) ?? [], join(folder, "snapshots", commit))
    ),
  );
  const blobs = await filesBelow(join(folder, "blobs"));
  return {
    id,
    folder,
    bytes: await diskBytes(folder),
    incompleteBytes: sizeOf(blobs.filter(({ path }) => path.endsWith(".incomplete"))),
    revisions: revisions.sort((a, b) => (a.commit ?? "").localeCompare(b.commit ?? "")),
  };
}

async function ownModel(folders: ModelFolders, pinned: PinnedModel): Promise<StoredModel | null> {
  const folder = join(folders.own, pinned.sha256);
  const only = await describe(null, [], folder);
  if (only.ggufFiles.length === 0) return null;
  const id = pinned.repository ?? pinned.file;
  return { id, folder, bytes: await diskBytes(folder), incompleteBytes: 0, revisions: [only] };
}

async function describe(
  commit: string | null,
  names: readonly string[],
  folder: string,
): Promise<StoredRevision> {
  const files = await filesBelow(folder);
  const paths = files.map(({ path }) => relative(folder, path)).sort();
  const isWeights = (path: string) => path.endsWith(".safetensors");
  return {
    commit,
    names: [...names].sort(),
    folder,
    bytes: sizeOf(files),
    ggufFiles: paths.filter(isGgufModel),
    safetensorsFiles: chooseSafetensors(paths) === null ? [] : paths.filter(isWeights),
  };
}

/** Branches and tags, by what they point to. */
async function namesByCommit(folder: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const { path } of await filesBelow(folder)) {
    const commit = (await Deno.readTextFile(path)).trim();
    found.set(commit, [...found.get(commit) ?? [], relative(folder, path)]);
  }
  return found;
}

/** What a folder takes on the disk. */
async function diskBytes(folder: string): Promise<number> {
  return sizeOf((await filesBelow(folder)).filter(({ isLink }) => !isLink));
}

function sizeOf(files: readonly FoundFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
