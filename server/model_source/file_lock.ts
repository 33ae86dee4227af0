/**
 * A lock that one process holds at a time. It is `flock(2)` on a file of its own, as
 * `huggingface_hub` locks a blob (`file_download.py`), so that both heed each other; the system
 * frees it when its holder dies.
 */

import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../log.ts";
import { makeModelFolder } from "./model_folder.ts";
import { pause } from "./waiting.ts";

/** How often a lock that another holds is tried, ms. */
const RETRY_MILLIS = 100;

const log = getLogger([LOG_CATEGORY, "model"]);

/**
 * Takes the lock, after its holder where there is one.
 *
 * @param name of what is locked, for the log.
 * @throws the signal's reason when it is aborted meanwhile.
 */
export async function takeLock(
  path: string,
  name: string,
  signal: AbortSignal,
): Promise<Disposable> {
  await makeModelFolder(dirname(path));
  const file = await Deno.open(path, { create: true, write: true });
  try {
    for (let tries = 0; !await file.tryLock(true); tries += 1) {
      if (tries === 0) log.info`Another process fetches ${name}; waiting for it`;
      await pause(RETRY_MILLIS, signal);
    }
  } catch (error) {
    if (signal.aborted) {
      file.close();
      throw signal.reason;
    }
    // Some network file systems know no locks. What is written is checked in any case.
    log.debug`${path} cannot be locked: ${error}`;
  }
  return { [Symbol.dispose]: () => file.close() };
}
