/** Checks of the cache folder, the disk under it, and the port. */

import { dirname, join } from "node:path";
import { statfs } from "node:fs/promises";
import { whyNotBound } from "../commands/why_not_bound.ts";
import { whyNotWritten } from "../model_source/model_folder.ts";
import { bytesText } from "../terminal/bytes.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** The default model twice over: a package is unpacked beside its file. */
const LEAST_DISK = 3e8;

/** Whether models can be kept in `folder`, which need not exist. Nothing is left behind. */
export async function checkCache(folder: string): Promise<Finding> {
  const existing = await nearestExisting(folder);
  const probe = join(existing, `.tgi-doctor-${crypto.randomUUID()}`);
  try {
    await Deno.writeTextFile(probe, "", { createNew: true });
    await Deno.remove(probe);
    return ok("cache", `${folder} can be written`);
  } catch (error) {
    return fail(
      "cache",
      `${folder} cannot be written (${whyNotWritten(error)})`,
      "Set HF_HOME and XDG_CACHE_HOME to folders of yours, or name a .gguf file by --model-id.",
    );
  }
}

/** Whether the disk under `folder` has room for a model. */
export async function checkDisk(folder: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(await nearestExisting(folder));
    const free = bavail * bsize;
    return free < LEAST_DISK
      ? warn("disk", `${bytesText(free)} free`, "Free some, or set HF_HOME to another disk.")
      : ok("disk", `${bytesText(free)} free`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return warn("disk", `free space unknown (${reason})`, "Look by df.");
  }
}

/** Whether the server could listen. */
export function checkPort(hostname: string, port: number): Finding {
  try {
    Deno.listen({ hostname, port }).close();
    return ok("port", `${hostname}:${port} is free`);
  } catch (error) {
    const reason = whyNotBound(error);
    const [found = reason, ...advice] = reason.split("; ");
    return fail("port", `${hostname}:${port}: ${found}`, `${capital(advice.join("; "))}.`);
  }
}

/** The folder itself, or the nearest one above it that exists or that we may not look at. */
async function nearestExisting(folder: string): Promise<string> {
  for (let path = folder;; path = dirname(path)) {
    const missing = await Deno.stat(path).then(() => false, isMissing);
    if (!missing || path === dirname(path)) return path;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
