/** What the hub tells of a repository and its files, and their content. */

import { downloadFile, modelInfo, pathsInfo } from "@huggingface/hub";
import {
  credentials,
  endpointOf,
  fetchHead,
  fetchWhole,
  type HubAddress,
  HubUnreachable,
} from "./hub_fetch.ts";
import { HubRefusal } from "./hub_refusal.ts";
import { isSafePath } from "./model_id.ts";
import type { HubModel } from "./model_id.ts";
import { controllerUnder, pause, within } from "./waiting.ts";

/** A commit of a repository. */
export interface HubCommit {
  readonly repository: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
}

/** A commit and the paths of its files. */
export interface HubListing extends HubCommit {
  readonly files: readonly string[];
}

/** What the hub says of a file. */
export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** Names the content in the cache: SHA-256 of a large file, else git's own hash of it. */
  readonly etag: string;
}

/** How often the hub is asked again when it says that it is busy. */
const PATIENT_TRIES = 3;

/** The commit of a revision, and its files. @throws HubUnreachable, HubRefusal. */
export async function listRepository(model: HubModel, address: HubAddress): Promise<HubListing> {
  const info = await patiently(address, () =>
    modelInfo({
      name: model.repository,
      revision: model.revision,
      additionalFields: ["sha", "filePaths"],
      fetch: fetchWhole(address),
      ...credentials(address),
    }));
  if (!/^[0-9a-f]{40}$/.test(info.sha)) throw new HubUnreachable("its answer names no commit");
  const files = info.filePaths.filter(isSafePath);
  return { repository: model.repository, commit: info.sha, files };
}

/** Sizes and hashes of files. @throws HubUnreachable, HubRefusal. */
export async function describeFiles(
  { repository, commit }: HubCommit,
  paths: readonly string[],
  address: HubAddress,
): Promise<RemoteFile[]> {
  const infos = await patiently(address, () =>
    pathsInfo({
      repo: repository,
      revision: commit,
      paths: [...paths],
      fetch: fetchWhole(address),
      ...credentials(address),
    })).catch((error) => {
      if (error instanceof HubRefusal && [404, 405].includes(error.status)) return [];
      throw error;
    });
  return await Promise.all(paths.map(async (path) => {
    const info = infos.find((info) => info.path === path);
    if (info === undefined) return await describeByHead({ repository, commit }, path, address);
    return checked({ path, bytes: info.size, etag: info.lfs?.oid ?? info.oid ?? "" });
  }));
}

/** Mirrors have no list of files with their hashes; the head of an answer tells them, too. */
async function describeByHead(
  commit: HubCommit,
  path: string,
  address: HubAddress,
): Promise<RemoteFile> {
  const response = await patiently(
    address,
    () =>
      fetchWhole(address)(addressOf(commit, path, address), {
        method: "HEAD",
        redirect: "manual",
        headers: {
          "accept-encoding": "identity",
          ...(address.token === null ? {} : { authorization: `Bearer ${address.token.secret}` }),
        },
      }),
  );
  const { headers } = response;
  const size = headers.get("x-linked-size") ?? headers.get("content-length");
  const etag = headers.get("x-linked-etag") ?? headers.get("etag") ?? "";
  return checked({
    path,
    bytes: size === null ? NaN : Number(size),
    etag: etag.replace(/^W\//, "").replaceAll('"', ""),
  });
}

/**
 * The content of a file from a byte on, as long as it comes: a wait of more than `stallMillis`
 * for the next piece is a failure.
 *
 * @throws HubUnreachable, HubRefusal, TooLate, or the signal's reason.
 */
export async function* openFile(
  commit: HubCommit,
  { path, bytes, etag }: RemoteFile,
  from: number,
  address: HubAddress & { readonly stallMillis: number },
): AsyncGenerator<Uint8Array> {
  using controller = controllerUnder(address.signal);
  const { signal } = controller;
  let failure: unknown = null;
  const blob = await downloadFile({
    repo: commit.repository,
    path,
    revision: commit.commit,
    // Plain HTTP is what can go on at any byte, and what every mirror speaks.
    xet: false,
    downloadInfo: { size: bytes, etag, url: addressOf(commit, path, address) },
    fetch: async (input, init) => {
      try {
        return await fetchHead(address, signal)(input, init);
      } catch (error) {
        failure = error; // The library passes on its message alone.
        throw error;
      }
    },
    ...credentials(address),
  });
  if (blob === null) throw new HubUnreachable("the hub lost the file meanwhile");
  const reader = (from === 0 ? blob : blob.slice(from)).stream().getReader();
  const late = `nothing came for ${address.stallMillis / 1000} s`;
  try {
    // The head has a wait of its own.
    let millis = address.stallMillis + address.headMillis;
    for (;;) {
      const { done, value } = await within(reader.read(), { millis, late, signal });
      if (done) return;
      yield value;
      millis = address.stallMillis;
    }
  } catch (error) {
    throw failure ?? error;
  } finally {
    controller.abort();
    await reader.cancel().catch(() => {});
  }
}

function addressOf({ repository, commit }: HubCommit, path: string, address: HubAddress): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return `${endpointOf(address)}/${repository}/resolve/${commit}/${encoded}`;
}

function checked(file: RemoteFile): RemoteFile {
  const isSize = Number.isSafeInteger(file.bytes) && file.bytes >= 0;
  // The etag becomes the name of a file.
  if (isSize && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(file.etag)) return file;
  throw new HubUnreachable(`its answer names no size and content of ${file.path}`);
}

/** Asks again where the hub is there and busy. */
async function patiently<T>({ signal }: HubAddress, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const millis = error instanceof HubUnreachable ? error.retryMillis : null;
      if (millis === null || tries === PATIENT_TRIES) throw error;
      await pause(millis, signal);
    }
  }
}
