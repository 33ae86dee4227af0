/** The files of a folder and of those in it. */

import { join } from "node:path";

/** A file, or a link to one. */
export interface FoundFile {
  readonly path: string;
  /** Size of what a link leads to. */
  readonly bytes: number;
  readonly isLink: boolean;
}

/**
 * Every file whose content is there; none where the folder is missing.
 *
 * @param depth how many folders below this one are gone into.
 */
export async function filesBelow(folder: string, depth = Infinity): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const { name, isDirectory, isSymlink } of await entriesOf(folder)) {
    const path = join(folder, name);
    if (isDirectory) {
      if (depth > 0) found.push(...await filesBelow(path, depth - 1));
      continue;
    }
    const info = await Deno.stat(path).catch(() => null);
    if (info?.isFile) found.push({ path, bytes: info.size, isLink: isSymlink });
  }
  return found;
}

/** What a folder holds; nothing where it is missing. */
export async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}
