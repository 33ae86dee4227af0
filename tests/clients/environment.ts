/** Where the clients are installed: one environment for each list of pinned versions, made once. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { cacheFolder } from "../../scripts/packaging/pinned_program.ts";
import { runQuietly } from "../../scripts/packaging/quiet.ts";

const PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];

/** The lists name every package, so nothing is resolved; `--no-compile` saves half of the time. */
const PINNED = ["--no-deps", "--no-compile", "-r"];

/**
 * A virtual environment with the packages of a `requirements.txt`; the path of its Python.
 *
 * @throws Error when there is no Python or the packages cannot be had.
 */
export async function pythonEnvironment(requirements: string): Promise<string> {
  const list = await Deno.readTextFile(requirements);
  const python = await must("python3", ["-c", "import sys; print(sys.executable, sys.version)"]);
  const folder = await ensureFolder([python, list], async (folder) => {
    await must("python3", ["-m", "venv", folder]);
    await must(join(folder, "bin", "python"), [...PIP, ...PINNED, requirements]);
  });
  return join(folder, "bin", "python");
}

/**
 * A folder with a `package.json`, its `package-lock.json` and what they name in `node_modules`.
 *
 * @throws Error when there is no npm or the packages cannot be had.
 */
export async function npmEnvironment(project: string): Promise<string> {
  const files = ["package.json", "package-lock.json"];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(join(project, file))));
  return await ensureFolder(texts, async (folder) => {
    await Promise.all(files.map((file) => Deno.copyFile(join(project, file), join(folder, file))));
    const quietly = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund"];
    await must("npm", ["ci", ...quietly], folder);
  });
}

/** The folder of our cache that these texts determine, filled by `fill` where it is not there. */
export async function ensureFolder(
  determinedBy: readonly string[],
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const key = createHash("sha256").update(JSON.stringify(determinedBy)).digest("hex");
  const parent = cacheFolder("clients");
  const folder = join(parent, key.slice(0, 16));
  if (await exists(folder)) return folder;
  await Deno.mkdir(parent, { recursive: true });
  const staging = await Deno.makeTempDir({ dir: parent, prefix: ".new-" });
  try {
    await fill(staging);
    await Deno.rename(staging, folder).catch(async (error) => {
      // Another run was first.
      if (!await exists(folder)) throw error;
      await Deno.remove(staging, { recursive: true });
    });
  } catch (error) {
    await Deno.remove(staging, { recursive: true }).catch(() => {});
    throw error;
  }
  return folder;
}

/** Runs a program to its end; what it printed. Throws an Error that says what failed. */
export async function must(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<string> {
  const { success, stdout, lastWords } = await runQuietly({ program, args }, cwd);
  if (!success) throw new Error(`${[program, ...args].join(" ")} failed: ${lastWords}`);
  return stdout.trim();
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
