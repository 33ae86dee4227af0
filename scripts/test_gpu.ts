/**
 * The whole GPU suite in one command, here or on another machine.
 *
 * Usage: deno task test:gpu [--carry FOLDER] [SHAPE...] [--help]
 */

import { basename, join } from "node:path";
import { cargo, type CommandLine, print, ROOT, run, say, step, TARGET } from "./steps.ts";
import { walkFiles } from "./walk.ts";

const HELP = `Usage: deno task test:gpu [--carry FOLDER] [SHAPE...]

Builds the tests of the cuda backend and tgi-bench, lays them out in a folder with the checkpoints that
they read, and runs them there: on the first GPU, with figures of random models of the SHAPEs
(llama-3-8b, qwen2.5-0.5b, smollm2-135m, ...).
  --carry FOLDER  only lay out; FOLDER/run.sh [SHAPE...] then runs where a GPU is, without cargo`;

/** Where the suite lies unless it is carried. */
const HERE = join(TARGET, "gpu-suite");
/** What the tests read. */
const CHECKPOINTS = [
  ...["goldens/architectures", "goldens/adapters", "fixtures/tiny-llama"],
  ...["fixtures/tiny-llama.gguf", "fixtures/tiny-llama-adapters", "fixtures/tiny-gemma3.gguf"],
];

/** Builds everything and lays it out; false when a build failed, which has been said. */
export async function layOut(folder: string): Promise<boolean> {
  const tests = await step("tests of the cuda backend", () => run(testPrograms(), "unseen"));
  const program = testProgram(tests.output);
  if (!tests.success || program === null) return false;
  const bench = cargo("build", "--release", "--locked", "--package", "tgi-bench");
  if (!(await step("tgi-bench", () => run(bench))).success) return false;
  await Deno.mkdir(folder, { recursive: true });
  const programs = { backend: program, "tgi-bench": join(TARGET, "release", "tgi-bench") };
  for (const [name, from] of Object.entries(programs)) {
    if (!(await run(strip(from, join(folder, name)))).success) return false;
  }
  await Deno.copyFile(join(ROOT, "scripts/cuda/run_gpu_suite.sh"), join(folder, "run.sh"));
  for (const path of CHECKPOINTS) {
    await copy(join(ROOT, "tests", path), join(folder, "tests", path));
  }
  return true;
}

/** Cargo tells on standard output, as JSON lines, what it built. */
function testPrograms(): CommandLine {
  return cargo(
    ...["test", "--release", "--locked", "--package", "tgi-backend-cuda", "--features", "gpu"],
    ...["--test", "backend", "--no-run", "--message-format", "json-render-diagnostics"],
  );
}

/** The test program among cargo's messages; null when there is none. */
export function testProgram(messages: string): string | null {
  for (const line of messages.split("\n").filter((line) => line.startsWith("{"))) {
    const { executable, target }: { executable?: string | null; target?: { name: string } } = JSON
      .parse(line);
    if (typeof executable === "string" && target?.name === "backend") return executable;
  }
  return null;
}

function strip(from: string, to: string): CommandLine {
  return {
    program: "strip",
    args: ["-o", to, from],
    missing: "strip was not found: install binutils and try again.",
  };
}

/** Copies a file or a folder. */
async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(join(to, ".."), { recursive: true });
  if (!(await Deno.stat(from)).isDirectory) return await Deno.copyFile(from, to);
  for await (const path of walkFiles(from, new Set())) {
    const target = join(to, path.slice(from.length));
    await Deno.mkdir(join(target, ".."), { recursive: true });
    await Deno.copyFile(path, target);
  }
}

/** Bytes of all files of a folder. */
async function size(folder: string): Promise<number> {
  let bytes = 0;
  for await (const path of walkFiles(folder, new Set())) bytes += (await Deno.stat(path)).size;
  return bytes;
}

if (import.meta.main) {
  const args = [...Deno.args];
  if (args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  const carried = args[0] === "--carry" ? args[1] : undefined;
  const folder = carried ?? HERE;
  if (!await layOut(folder)) Deno.exit(1);
  say(`${folder}: ${((await size(folder)) / 2 ** 20).toFixed(1)} MiB`);
  if (carried !== undefined) Deno.exit(0);
  const suite = {
    program: join(folder, "run.sh"),
    args,
    missing: `${basename(folder)} has no run.sh`,
  };
  const { success } = await step("GPU suite", () => run(suite));
  Deno.exit(success ? 0 : 1);
}
