/** A folder for what is on its way; what a killed process leaves of one goes with the next. */

import { join } from "node:path";
import { entriesOf } from "./files_below.ts";
import { cannotStore, makeModelFolder } from "./model_folder.ts";

const PREFIX = ".fetch-";

/** Locked by whoever uses the folder; the system frees it when that process dies. */
const LOCK = ".lock";

/** A folder without a lock is this old before it counts as left behind, ms. */
const YOUNG_MILLIS = 3_600_000;

/** The folder; it is gone when the value is disposed of. */
export interface StagingFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes the folder inside another one.
 *
 * @throws StartError with exit code 3, one sentence, when it cannot be.
 */
export async function makeStagingFolder(folder: string): Promise<StagingFolder> {
  await makeModelFolder(folder);
  await removeLeftovers(folder);
  try {
    const path = await Deno.makeTempDir({ dir: folder, prefix: PREFIX });
    const lock = await Deno.open(join(path, LOCK), { create: true, write: true });
    await lock.tryLock(true).catch(() => {}); // Some network file systems know no locks.
    return {
      path,
      async [Symbol.asyncDispose]() {
        lock.close();
        await Deno.remove(path, { recursive: true }).catch(() => {});
      },
    };
  } catch (error) {
    throw cannotStore(folder, error);
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const { name, isDirectory } of await entriesOf(folder)) {
    const path = join(folder, name);
    if (!isDirectory || !name.startsWith(PREFIX) || !await isLeft(path)) continue;
    await Deno.remove(path, { recursive: true }).catch(() => {});
  }
}

/** Whether nobody uses the folder. */
async function isLeft(path: string): Promise<boolean> {
  try {
    using lock = await Deno.open(join(path, LOCK), { write: true });
    return await lock.tryLock(true);
  } catch {
    // It is being made, or is of a process that knew no locks.
    const made = await Deno.stat(path).then(({ mtime }) => mtime?.getTime(), () => undefined);
    return made !== undefined && Date.now() - made > YOUNG_MILLIS;
  }
}
