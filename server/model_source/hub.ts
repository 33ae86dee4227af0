/** Fetches a model from the hub into its standard cache. */

import { join } from "node:path";
import {
  describeFiles,
  type HubCommit,
  type HubListing,
  listRepository,
  openFile,
  type RemoteFile,
} from "./hub_api.ts";
import { isStored, linkIntoSnapshot, noteRevision, placeOf } from "./hub_cache.ts";
import { endpointOf, type HubAddress } from "./hub_fetch.ts";
import { HubRefusal, refusalError } from "./hub_refusal.ts";
import { checkRoom } from "./disk_room.ts";
import { takeLock } from "./file_lock.ts";
import { chooseModel, type ModelChoice } from "./model_choice.ts";
import { modelError } from "./model_error.ts";
import { makeModelFolder, whyNotWritten } from "./model_folder.ts";
import type { HubModel, HubReference } from "./model_id.ts";
import { followTransfer, type Progress, type ProgressOutput, UNSEEN } from "./progress.ts";
import { fetchResumable } from "./resumable_file.ts";
import { INDEX, shardsOf } from "./safetensors_choice.ts";
import { shareProgress } from "./shared_progress.ts";
import { controllerUnder } from "./waiting.ts";

/** How to reach the hub, and where what it sends goes. */
export interface HubAccess extends HubAddress {
  /** Folder of the standard cache. */
  readonly cache: string;
  /** Longest wait for the next piece of a file, ms. */
  readonly stallMillis: number;
  /** Wait before a line that failed is tried again, ms. */
  readonly retryMillis: number;
  readonly output: ProgressOutput;
}

/** A model in the cache and why it was taken. */
export interface Fetched {
  /** The `.gguf` file, or the folder of the snapshot. */
  readonly path: string;
  readonly commit: string;
  readonly reason: string;
}

/** Most files that come at a time. */
const AT_ONCE = 4;

/**
 * Fetches what `choose` takes, {@link chooseModel} unless given. Files that the cache has are not
 * fetched again.
 *
 * @throws HubUnreachable when no answer comes.
 * @throws StartError when the repository is not there, or a file cannot be had.
 */
export async function fetchFromHub(
  { model, wanted }: HubReference,
  access: HubAccess,
  choose = (place: string, names: readonly string[]) => chooseModel(place, names, wanted),
): Promise<Fetched> {
  try {
    const listing = await listRepository(model, access);
    const choice = choose(model.repository, listing.files);
    const paths = await pathsOf(choice, listing, access);
    const files = await describeFiles(listing, paths, access);
    await fetchAll(listing, files, access);
    for (const [index, file] of files.entries()) {
      const isNeeded = files.slice(index + 1).some(({ etag }) => etag === file.etag);
      await linkIntoSnapshot(place(listing, file, access), isNeeded);
    }
    await noteRevision(access.cache, model, listing.commit);
    const { pointer } = place(listing, { path: paths[0] ?? "", etag: "" }, access);
    const path = choice.kind === "gguf" ? pointer : join(pointer, "..");
    return { path, commit: listing.commit, reason: choice.reason };
  } catch (error) {
    throw asOurs(model, access, error);
  }
}

/** What to fetch: the weights last, so that nothing seems whole before it is. */
async function pathsOf(
  choice: ModelChoice,
  listing: HubListing,
  access: HubAccess,
): Promise<readonly string[]> {
  if (choice.kind === "gguf") return choice.files;
  if (choice.weights !== null) return [...choice.side, ...choice.weights];
  const [index] = await describeFiles(listing, [INDEX], access);
  if (index === undefined) throw modelError(`Cannot fetch ${INDEX}: the hub lost it meanwhile.`);
  await fetchOne(listing, index, access, access.signal, UNSEEN);
  const { pointer, blob } = place(listing, index, access);
  const text = await Deno.readTextFile(blob).catch(() => Deno.readTextFile(pointer));
  return [...choice.side, ...shardsOf(listing.repository, text)];
}

/** Fetches the files, a few at a time; when one fails the others end, too. */
async function fetchAll(
  commit: HubCommit,
  files: readonly RemoteFile[],
  access: HubAccess,
): Promise<void> {
  const absent = await filter(
    files,
    async (file) => !await isStored(place(commit, file, access), file.bytes),
  );
  const missing = [...new Map(absent.map((file) => [file.etag, file])).values()];
  if (missing.length === 0) return;
  await makeModelFolder(access.cache);
  await checkRoom(
    access.cache,
    missing.map((file) => ({
      bytes: file.bytes,
      partial: `${place(commit, file, access).blob}.incomplete`,
    })),
  );
  const [only] = missing;
  const name = missing.length === 1 && only !== undefined
    ? only.path
    : `${commit.repository} (${missing.length} files)`;
  const total = missing.reduce((bytes, file) => bytes + file.bytes, 0);
  const share = shareProgress(followTransfer(name, access.output), total);
  using stop = controllerUnder(access.signal);
  const waiting = missing.values();
  const work = async () => {
    for (const file of waiting) {
      await fetchOne(commit, file, access, stop.signal, share.part()).catch((error) => {
        stop.abort(error);
        throw error;
      });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  share.end();
  if (stop.signal.aborted && ended.some(({ status }) => status === "rejected")) {
    throw stop.signal.reason;
  }
}

/** Fetches one blob, unless another process does so meanwhile. */
async function fetchOne(
  commit: HubCommit,
  file: RemoteFile,
  access: HubAccess,
  signal: AbortSignal,
  progress: Progress,
): Promise<void> {
  const there = place(commit, file, access);
  if (await isStored(there, file.bytes)) return;
  using _lock = await takeLock(there.lock, file.path, signal);
  if (!await isStored(there, file.bytes)) {
    await fetchResumable({
      path: there.blob,
      name: file.path,
      bytes: file.bytes,
      etag: file.etag,
      open: (from) => openFile(commit, file, from, { ...access, signal }),
    }, { signal, retryMillis: access.retryMillis, progress });
  }
  progress.update(file.bytes, file.bytes);
}

function place(commit: HubCommit, file: Pick<RemoteFile, "path" | "etag">, access: HubAccess) {
  return placeOf(access.cache, commit.repository, commit.commit, file);
}

/** A wrong id or a missing right is the operator's matter: no other source is tried. */
function asOurs(model: HubModel, access: HubAccess, error: unknown): unknown {
  if (error instanceof HubRefusal) {
    return refusalError(model, error, { token: access.token, endpoint: endpointOf(access) });
  }
  const isOfSystem = Object.values(Deno.errors).some((kind) => error instanceof kind);
  if (!isOfSystem || access.signal.aborted) return error;
  return modelError(
    `Cannot store ${model.repository} in ${access.cache}: ${
      whyNotWritten(error)
    }; set HF_HOME to ` +
      "a folder of yours.",
    error,
  );
}

async function filter<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(items.map(keep));
  return items.filter((_, index) => kept[index]);
}
