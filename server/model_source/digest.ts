/** What names a file's content on the hub. */

import { createHash, type Hash } from "node:crypto";
import { contentOf } from "./verified_file.ts";

/** A hash that takes chunks. */
export interface Digest {
  update(chunk: Uint8Array): void;
  /** Hexadecimal; ends it. */
  end(): string;
  readonly name: string;
}

/**
 * The hash that a content's name is of: 64 digits are its SHA-256 (Git LFS), 40 are git's own, the
 * SHA-1 of `blob <size>`, a zero byte and the content.
 */
export function digestFor(etag: string, bytes: number): Digest {
  const isSha256 = etag.length === 64;
  const hash: Hash = createHash(isSha256 ? "sha256" : "sha1");
  if (!isSha256) hash.update(`blob ${bytes}\0`);
  return {
    update: (chunk) => void hash.update(chunk),
    end: () => hash.digest("hex"),
    name: isSha256 ? "SHA-256" : "git hash",
  };
}

/** The hash of a file's first bytes, which are all of it. */
export async function digestOfFile(path: string, etag: string, bytes: number): Promise<Digest> {
  const digest = digestFor(etag, bytes);
  for await (const chunk of contentOf(only(path))) digest.update(chunk);
  return digest;
}

async function* only(path: string): AsyncGenerator<string> {
  yield await Promise.resolve(path);
}
