/**
 * Builds libtgi_core and the in-process benchmark in release mode.
 *
 * Usage: deno task build [--quiet] [--help]
 */

import { walkFiles } from "./walk.ts";
import { cargo, print, ROOT, run, TARGET } from "./steps.ts";

const HELP = `Usage: deno task build [--quiet]

Builds libtgi_core and tgi-bench with cargo, in release mode.
  --quiet  only the library; say nothing and do not ask cargo when it is newer than its sources`;

/** Builds the core, and the benchmark unless `quiet`; false when that failed, which has been said. */
export async function buildCore(quiet = false): Promise<boolean> {
  if (quiet && await isCurrent()) return true;
  const packages = quiet ? ["tgi-core"] : ["tgi-core", "tgi-bench"];
  const named = packages.flatMap((name) => ["--package", name]);
  const { success } = await run(cargo("build", "--release", "--locked", ...named));
  return success;
}

/** Whether the library is newer than everything it is made from. */
async function isCurrent(): Promise<boolean> {
  const built = await modified(`${TARGET}/release/libtgi_core.so`);
  if (built === null) return false;
  for await (const path of walkFiles(`${ROOT}core-rs`, new Set(["target", "bench"]))) {
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
