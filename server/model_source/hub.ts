/** Fetches a file from the hub into its standard cache. */

import { downloadFile, modelInfo, pathsInfo } from "@huggingface/hub";
import { chooseGguf } from "./gguf_choice.ts";
import { type HubModel, linkSnapshot, placeOf } from "./hub_cache.ts";
import { modelError, reasonOf } from "./model_error.ts";
import { followTransfer, type ProgressOutput } from "./progress.ts";
import { writeVerified } from "./verified_file.ts";

/** How to reach the hub. */
export interface HubAccess {
  /** Folder of the standard cache. */
  readonly cache: string;
  /** Address of another hub than the public one (`HF_ENDPOINT`). */
  readonly endpoint: string | null;
  readonly token: string | null;
  /** Longest wait for the head of an answer, ms: a machine without network moves on. */
  readonly headMillis: number;
  readonly signal: AbortSignal;
  readonly output: ProgressOutput;
}

/** The hub did not answer: another source may. */
export class HubUnreachable extends Error {
  override readonly name = "HubUnreachable";
}

/** A file in the cache and why it was taken. */
export interface Fetched {
  readonly path: string;
  readonly commit: string;
  readonly reason: string;
}

/** What the hub says of a file. */
interface RemoteFile {
  readonly file: string;
  readonly reason: string;
  readonly commit: string;
  readonly bytes: number;
  /** Names the content in the cache. */
  readonly etag: string;
  /** SHA-256 of a large file; git's own hash of a small one does not serve. */
  readonly sha256: string | null;
}

/**
 * Fetches `wanted`, or the `.gguf` file that {@link chooseGguf} takes.
 *
 * @throws HubUnreachable when no answer comes.
 * @throws StartError when the repository is not there, or the file cannot be had.
 */
export async function fetchFromHub(
  model: HubModel,
  wanted: string | null,
  access: HubAccess,
): Promise<Fetched> {
  const remote = await askHub(model, wanted, access);
  const place = placeOf(access.cache, model, remote.commit, remote.file, remote.etag);
  const blob = await downloadFile({
    repo: model.repository,
    path: remote.file,
    ...request(access),
    revision: remote.commit,
  }).catch((error) => {
    throw asHubError(model, error);
  });
  if (blob === null) throw modelError(`Cannot fetch ${remote.file}: the hub lost it meanwhile.`);
  // The signal that the request got ends the body only as long as nobody collects it as garbage:
  // Deno holds the signals that depend on another one weakly.
  const content = blob.stream().pipeThrough(new TransformStream(), { signal: access.signal });
  await writeVerified(
    place.blob,
    content,
    { bytes: remote.bytes, sha256: remote.sha256 },
    followTransfer(remote.file, access.output),
  );
  await linkSnapshot(place, remote.commit);
  return { path: place.pointer, commit: remote.commit, reason: remote.reason };
}

async function askHub(
  model: HubModel,
  wanted: string | null,
  access: HubAccess,
): Promise<RemoteFile> {
  try {
    const info = await modelInfo({
      name: model.repository,
      revision: model.revision,
      additionalFields: ["sha", "filePaths"],
      ...request(access),
    });
    const choice = chooseGguf(model.repository, info.filePaths, wanted);
    const [path] = await pathsInfo({
      repo: model.repository,
      paths: [choice.file],
      ...request(access),
      revision: info.sha,
    });
    const etag = path?.lfs?.oid ?? path?.oid ?? "";
    if (!isHash(info.sha) || !isHash(etag) || path === undefined) {
      throw new Error("the answer names no commit and content");
    }
    return { ...choice, commit: info.sha, bytes: path.size, etag, sha256: path.lfs?.oid ?? null };
  } catch (error) {
    throw asHubError(model, error);
  }
}

function request(access: HubAccess) {
  return {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => fetchWithin(access, input, init),
    ...(access.endpoint === null ? {} : { hubUrl: access.endpoint }),
    ...(access.token === null ? {} : { accessToken: access.token }),
  };
}

/** `fetch` that gives up when no head of an answer comes; the body may take its time. */
async function fetchWithin(
  access: HubAccess,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), access.headMillis);
  try {
    const signal = AbortSignal.any([access.signal, late.signal]);
    const response = await fetch(input, { ...init, signal });
    // The library reads only the head of its one-byte probe and would leave the connection open.
    if (new Headers(init?.headers).get("range") === "bytes=0-0") await response.body?.cancel();
    return response;
  } catch (error) {
    if (access.signal.aborted) throw error;
    const why = late.signal.aborted
      ? `no answer within ${access.headMillis / 1000} s`
      : reasonOf(error);
    throw new HubUnreachable(why, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A wrong id or a missing right is the operator's matter: no other source is tried. */
function asHubError(model: HubModel, error: unknown): unknown {
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (status === 401 || status === 403 || status === 404) {
    return modelError(
      `Cannot fetch ${model.repository} at ${model.revision}: the hub answers ${status}; check ` +
        "--model-id and --revision, and set HF_TOKEN where the repository is private or gated.",
      error,
    );
  }
  if (status !== undefined) return new HubUnreachable(`the hub answers ${status}`);
  return error;
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{40,64}$/.test(text);
}
