/**
 * Builds libtgi_core_candle_cuda.so: the core whose candle backend computes on NVIDIA GPUs.
 *
 * Usage: deno task build:candle-cuda [--help]
 */

import { join } from "node:path";
import { findToolkit, type Toolkit } from "./cuda/toolkit.ts";
import { cargo, type CommandLine, print, run, say, step, TARGET } from "./steps.ts";

/** Compute capability of the kernels unless `CUDA_COMPUTE_CAP` names another: Hopper. */
const COMPUTE_CAP = "90";

const HELP = `Usage: deno task build:candle-cuda

Builds core-rs/target/candle-cuda/release/libtgi_core_candle_cuda.so with the CUDA toolkit that
CUDA_HOME names, else the one that \`deno task cuda-toolkit\` fetched. No GPU is needed. The first
build compiles candle's kernels: about a quarter of an hour on one core.
  CUDA_COMPUTE_CAP    compute capability of the kernels (default ${COMPUTE_CAP}: H100, H200)
  CUDAFORGE_THREADS   compilers at a time (default: half the cores)`;

/** Apart from the rest, so that neither build throws the other's work away. */
const CANDLE_CUDA_TARGET = join(TARGET, "candle-cuda");

/** Where the library will be. */
export const CANDLE_CUDA_LIBRARY = join(
  ...[CANDLE_CUDA_TARGET, "release", "libtgi_core_candle_cuda.so"] as const,
);

/** What the build script of candle-kernels writes last. */
const KERNELS = "libmoe.a";

/** Where CUDA's libraries are looked for, besides the system's places and `LD_LIBRARY_PATH`. */
const RUN_PATH = "$ORIGIN:/usr/local/cuda/lib64";

/** Whether candle's kernels, which take a quarter of an hour, are compiled already. */
export async function kernelsAreCompiled(): Promise<boolean> {
  const builds = join(CANDLE_CUDA_TARGET, "release", "build");
  try {
    for await (const { name } of Deno.readDir(builds)) {
      if (!name.startsWith("candle-kernels-")) continue;
      if ((await Deno.stat(join(builds, name, "out", KERNELS)).catch(() => null))?.isFile) {
        return true;
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

/** Builds the library; false when that failed, which has been said. */
export async function buildCandleCuda({ home }: Toolkit): Promise<boolean> {
  const compiled = await run(compilation(home));
  if (!compiled.success) return false;
  const output = ["-o", CANDLE_CUDA_LIBRARY, join(CANDLE_CUDA_TARGET, "release", "libtgi_core.so")];
  const stripped = await run({
    program: "strip",
    args: ["--strip-unneeded", ...output],
    missing: "strip was not found: install binutils and try again.",
  });
  return stripped.success;
}

function compilation(home: string): CommandLine {
  const cdylib = [
    ...["--package", "tgi-core", "--no-default-features", "--features", "candle-cuda"],
    ...["--crate-type", "cdylib"],
  ];
  const link = ["--", "-C", `link-arg=-Wl,-rpath,${RUN_PATH}`];
  return {
    ...cargo("rustc", "--release", "--locked", ...cdylib, ...link),
    env: {
      CARGO_TARGET_DIR: CANDLE_CUDA_TARGET,
      CUDA_HOME: home,
      CUDA_COMPUTE_CAP: Deno.env.get("CUDA_COMPUTE_CAP") || COMPUTE_CAP,
      PATH: `${join(home, "bin")}:${Deno.env.get("PATH") ?? ""}`,
    },
  };
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  const toolkit = await findToolkit();
  if (toolkit === null) {
    say(
      "error: Cannot build for CUDA: no toolkit is named by CUDA_HOME or lies in the cache; run " +
        "`deno task cuda-toolkit` first.",
    );
    Deno.exit(1);
  }
  say(`CUDA toolkit: ${toolkit.home} (${toolkit.origin})`);
  if (!await step("candle on CUDA", () => buildCandleCuda(toolkit))) Deno.exit(1);
  const { size } = await Deno.stat(CANDLE_CUDA_LIBRARY);
  print(`${CANDLE_CUDA_LIBRARY} ${(size / 1e6).toFixed(1)} MB`);
}
