/**
 * Builds libtgi_core in release mode.
 *
 * Usage: deno task build [--quiet] [--help]
 */

import { walkFiles } from "./walk.ts";
import { cargo, print, ROOT, run, TARGET } from "./steps.ts";

const HELP = `Usage: deno task build [--quiet]

Builds libtgi_core with cargo, in release mode.
  --quiet  say nothing and do not ask cargo when the library is newer than its sources`;

/** Builds the core; false when that failed, which has been said. */
export async function buildCore(quiet = false): Promise<boolean> {
  if (quiet && await isCurrent()) return true;
  const { success } = await run(cargo("build", "--release", "--locked", "--package", "tgi-core"));
  return success;
}

/** Whether the library is newer than everything it is made from. */
async function isCurrent(): Promise<boolean> {
  const built = await modified(`${TARGET}/release/libtgi_core.so`);
  if (built === null) return false;
  for await (const path of walkFiles(`${ROOT}core-rs`, new Set(["target"]))) {
    const changed = await modified(path);
    if (changed === null || changed > built) return false;
  }
  return true;
}

/** Time of the last change, ms. */
async function modified(path: string): Promise<number | null> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? null;
  } catch {
    return null;
  }
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) print(HELP);
  else if (!await buildCore(Deno.args.includes("--quiet"))) Deno.exit(1);
}
