/**
 * The hub's standard cache folder: `models--org--name/{blobs,refs,snapshots}`, as
 * `huggingface_hub` (`file_download.py`) lays it out.
 */

import { basename, dirname, join, relative } from "node:path";
import type { RemoteFile } from "./hub_api.ts";
import type { HubModel } from "./model_id.ts";
import { filesBelow } from "./files_below.ts";

/** Folder of a repository inside the cache. */
export function repositoryFolder(cache: string, repository: string): string {
  return join(cache, folderName(repository));
}

/** Folder of the locks of a repository's blobs. */
export function lockFolder(cache: string, repository: string): string {
  return join(cache, ".locks", folderName(repository));
}

function folderName(repository: string): string {
  return `models--${repository.replaceAll("/", "--")}`;
}

/** A snapshot in the cache. */
export interface Snapshot {
  readonly commit: string;
  readonly folder: string;
  /** Paths of the files whose content is there, sorted. */
  readonly files: readonly string[];
}

/** The snapshot of a revision, when the cache has it. */
export async function findSnapshot(cache: string, model: HubModel): Promise<Snapshot | null> {
  const root = repositoryFolder(cache, model.repository);
  const commit = await commitOf(root, model.revision);
  const folder = join(root, "snapshots", commit);
  const files = (await filesBelow(folder)).map(({ path }) => relative(folder, path));
  return files.length === 0 ? null : { commit, folder, files: files.sort() };
}

/** Places of a file in the cache. */
export interface HubFile {
  /** What to open: a link to the blob. */
  readonly pointer: string;
  readonly blob: string;
  /** Held by whoever fetches the blob. */
  readonly lock: string;
}

/** Where a file of a commit belongs. */
export function placeOf(
  cache: string,
  repository: string,
  commit: string,
  { path, etag }: Pick<RemoteFile, "path" | "etag">,
): HubFile {
  const root = repositoryFolder(cache, repository);
  return {
    pointer: join(root, "snapshots", commit, path),
    blob: join(root, "blobs", etag),
    lock: join(lockFolder(cache, repository), `${etag}.lock`),
  };
}

/** Whether the content is there, in either place. */
export async function isStored({ pointer, blob }: HubFile, bytes: number): Promise<boolean> {
  const sizes = await Promise.all(
    [pointer, blob].map((path) =>
      Deno.stat(path).then(({ isFile, size }) => isFile ? size : null, () => null)
    ),
  );
  return sizes.includes(bytes);
}

/**
 * Links a complete blob into its snapshot. Where there are no links, the blob moves there, as
 * `huggingface_hub` does it; with `isNeeded` it is copied, for another file has the same content.
 */
export async function linkIntoSnapshot(
  { pointer, blob }: HubFile,
  isNeeded = false,
): Promise<void> {
  if (!await exists(blob)) return; // It moved there before.
  const target = relative(dirname(pointer), blob);
  if (await Deno.readLink(pointer).catch(() => null) === target) return;
  await Deno.mkdir(dirname(pointer), { recursive: true });
  const fresh = join(dirname(pointer), `.${basename(pointer)}.${crypto.randomUUID()}`);
  try {
    await Deno.symlink(target, fresh);
    await Deno.rename(fresh, pointer);
  } catch {
    await (isNeeded ? Deno.copyFile : Deno.rename)(blob, pointer);
  }
}

/** Notes the commit of a branch or tag. */
export async function noteRevision(cache: string, model: HubModel, commit: string): Promise<void> {
  if (model.revision === commit) return;
  const root = repositoryFolder(cache, model.repository);
  const reference = join(root, "refs", model.revision);
  if (await commitOf(root, model.revision) === commit) return;
  await Deno.mkdir(dirname(reference), { recursive: true });
  await Deno.writeTextFile(reference, commit);
}

async function commitOf(root: string, revision: string): Promise<string> {
  try {
    return (await Deno.readTextFile(join(root, "refs", revision))).trim();
  } catch {
    return revision;
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
