/** Which base binary (`denort`) an executable is built on, and by which Deno. */

import { join } from "node:path";
import { deno, say } from "../steps.ts";
import { runQuietly } from "./quiet.ts";
import { registryBase } from "./registry_base.ts";

/** A base binary and the Deno that writes for it. */
export interface Base {
  readonly denort: string;
  readonly cli: string;
  /** Where it came from, for people. */
  readonly origin: string;
  /** Whether its publisher is Deno itself, or whoever set `DENORT_BIN`: fit for a release. */
  readonly trusted: boolean;
}

/** The base binary that `DENORT_BIN` names; else Deno's own download; else one from registries. */
export async function findBase(): Promise<Base> {
  const cli = Deno.execPath();
  const named = Deno.env.get("DENORT_BIN");
  if (named) return { denort: named, cli, origin: "named by DENORT_BIN", trusted: true };
  const own = await ownDownload();
  if (own !== null) {
    return { denort: own, cli, origin: `Deno's own, ${Deno.version.deno}`, trusted: true };
  }
  say("Deno's own download of its base binary cannot be reached; taking one from registries");
  const { version, ...pair } = await registryBase();
  return { ...pair, origin: `from registries, ${version}`, trusted: false };
}

/** What `deno compile` downloads once and keeps; null where it cannot. */
async function ownDownload(): Promise<string | null> {
  const folder = join(await denoFolder(), "dl", "release", `v${Deno.version.deno}`);
  const archive = join(folder, `denort-${Deno.build.target}.zip`);
  if (!await isFile(archive) && !await compileNothing()) return null;
  const unpacked = join(folder, "denort");
  if (await isFile(unpacked)) return unpacked;
  const args = ["-m", "zipfile", "-e", archive, folder];
  const { success } = await runQuietly({ program: "python3", args });
  if (!success) return null;
  await Deno.chmod(unpacked, 0o755);
  return unpacked;
}

async function denoFolder(): Promise<string> {
  const { stdout } = await runQuietly(deno("info", "--json"));
  return (JSON.parse(stdout) as { denoDir: string }).denoDir;
}

/** Compiles an empty program, so that Deno fetches its base binary. */
async function compileNothing(): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "tgi-base-" });
  try {
    const [source, output] = [join(folder, "empty.js"), join(folder, "empty")];
    await Deno.writeTextFile(source, "");
    const args = ["compile", "--no-config", "--no-check", "--output", output, source];
    return (await runQuietly(deno(...args), folder)).success;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile, () => false);
}
