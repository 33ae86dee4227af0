/** Whether a disk has room, before anything is fetched onto it. */

import { statfs } from "node:fs/promises";
import { diskFullError } from "./verified_file.ts";

/** A file that is to come. */
export interface Awaited {
  readonly bytes: number;
  /** Where a part of it may lie that has come before. */
  readonly partial: string;
}

/** @throws StartError when the disk under `folder` has too little room for what is to come. */
export async function checkRoom(folder: string, files: readonly Awaited[]): Promise<void> {
  const there = await Promise.all(
    files.map(({ partial }) => Deno.stat(partial).then(({ size }) => size, () => 0)),
  );
  const needed = files.reduce((sum, { bytes }, index) => sum + bytes - (there[index] ?? 0), 0);
  const free = await freeBytes(folder);
  if (free !== null && needed > free) {
    throw diskFullError(
      `${files.length === 1 ? "the file" : `${files.length} files`}`,
      folder,
      needed,
    );
  }
}

/** Null where the system does not tell. */
async function freeBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize, blocks } = await statfs(folder);
    return blocks === 0 ? null : bavail * bsize;
  } catch {
    return null; // The folder is made later, or this process may not look.
  }
}
