/** Archives whose bytes depend on their content alone, and their sums. */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { contentOf } from "../../server/model_source/verified_file.ts";
import { runQuietly } from "../packaging/quiet.ts";

/**
 * Packs the files into `FOLDER/NAME.tar.xz`, where they lie in a folder NAME.
 *
 * @param epoch time of every file, seconds since 1970.
 * @returns the archive's path.
 */
export async function pack(
  folder: string,
  name: string,
  files: readonly string[],
  epoch: number,
): Promise<string> {
  const staging = await Deno.makeTempDir({ dir: folder, prefix: ".pack-" });
  const archive = join(folder, `${name}.tar.xz`);
  try {
    await Deno.mkdir(join(staging, name));
    for (const file of files) {
      await Deno.copyFile(file, join(staging, name, basename(file)));
    }
    const { success, lastWords } = await runQuietly({
      program: "tar",
      args: [
        ...["--create", "--file", archive, "--directory", staging],
        ...["--use-compress-program", "xz --threads=0 --keep"],
        ...["--sort=name", `--mtime=@${epoch}`, "--mode=go-w"],
        ...["--owner=0", "--group=0", "--numeric-owner", name],
      ],
    });
    if (!success) throw new Error(`Cannot pack ${archive}: ${lastWords}`);
    return archive;
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** Writes `SHA256SUMS` beside the files, as `sha256sum --check` reads it. */
export async function writeSums(files: readonly string[]): Promise<string> {
  const lines = await Promise.all(
    files.map(async (file) => `${await sha256(file)}  ${basename(file)}\n`),
  );
  const path = join(dirname(files[0] ?? "."), "SHA256SUMS");
  await Deno.writeTextFile(path, lines.join(""));
  return path;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of contentOf(only(path))) hash.update(chunk);
  return hash.digest("hex");
}

async function* only(path: string): AsyncGenerator<string> {
  yield path;
}
