/** The hub's standard cache folder: `models--org--name/{blobs,refs,snapshots}`. */

import { join } from "node:path";

/** A model on the hub. */
export interface HubModel {
  /** `org/name`. */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** Folder of a repository inside the cache. */
export function repositoryFolder(cache: string, repository: string): string {
  return join(cache, `models--${repository.replaceAll("/", "--")}`);
}

/** A snapshot in the cache. */
export interface Snapshot {
  readonly commit: string;
  readonly folder: string;
  /** Names of the `.gguf` files whose content is there, sorted. */
  readonly ggufFiles: readonly string[];
}

/** The snapshot of a revision, when the cache has it. */
export async function findSnapshot(cache: string, model: HubModel): Promise<Snapshot | null> {
  const root = repositoryFolder(cache, model.repository);
  const commit = await commitOf(root, model.revision);
  const folder = join(root, "snapshots", commit);
  const ggufFiles: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.name.endsWith(".gguf")) continue;
      if (await isFile(join(folder, entry.name))) ggufFiles.push(entry.name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
  return ggufFiles.length === 0 ? null : { commit, folder, ggufFiles: ggufFiles.sort() };
}

/** Places of a file in the cache. */
export interface HubFile {
  /** What to open: a link to the blob. */
  readonly pointer: string;
  readonly blob: string;
  /** Holds the commit of the revision. */
  readonly reference: string;
}

/** Where a file of a commit belongs; `etag` names its content. */
export function placeOf(
  cache: string,
  model: HubModel,
  commit: string,
  file: string,
  etag: string,
): HubFile {
  const root = repositoryFolder(cache, model.repository);
  return {
    pointer: join(root, "snapshots", commit, file),
    blob: join(root, "blobs", etag),
    reference: join(root, "refs", model.revision),
  };
}

/** Links a complete blob into its snapshot and notes the commit of the revision. */
export async function linkSnapshot(place: HubFile, commit: string): Promise<void> {
  await Deno.mkdir(join(place.pointer, ".."), { recursive: true });
  const target = join("..", "..", "blobs", place.blob.slice(place.blob.lastIndexOf("/") + 1));
  await Deno.remove(place.pointer).catch(() => {});
  await Deno.symlink(target, place.pointer);
  await Deno.mkdir(join(place.reference, ".."), { recursive: true });
  await Deno.writeTextFile(place.reference, commit);
}

async function commitOf(root: string, revision: string): Promise<string> {
  try {
    return (await Deno.readTextFile(join(root, "refs", revision))).trim();
  } catch {
    return revision;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
