/**
 * Everything that is checked without running the code: format, lint, types, generated files.
 *
 * Usage: deno task check [--help]
 */

import { cargo, type CommandLine, deno, print, ROOT, run, say, step } from "./steps.ts";

const HELP = `Usage: deno task check

Runs deno fmt, lint and check, cargo fmt and clippy, and compares generated files
(openapi.json, the flags in README.md) with their sources. deno.lock is frozen.`;

const CHECKS: Readonly<Record<string, CommandLine>> = {
  "deno fmt": deno("fmt", "--check", "--quiet"),
  "deno lint": deno("lint", "--quiet"),
  "deno check": deno("check", "--quiet", "--frozen", "."),
  "openapi.json is current": deno("run", "--allow-read", "scripts/openapi.ts", "--check"),
  "flags in README.md are current": deno(
    "run",
    "--allow-read",
    "scripts/flags_table.ts",
    "--check",
  ),
  "cargo fmt": cargo("fmt", "--all", "--check"),
  "cargo clippy": cargo(
    ...["clippy", "--release", "--locked", "--workspace", "--all-targets"],
    ...["--", "-D", "warnings"],
  ),
  "cargo clippy of candle on CUDA, with a stand-in for nvcc": withStandIn(cargo(
    ...["clippy", "--release", "--locked", "--package", "tgi-core", "--package"],
    ...["tgi-backend-candle", "--no-default-features", "--features", "tgi-core/candle-cuda"],
    ...["--all-targets"],
    ...["--", "-D", "warnings"],
  )),
};

/** Kernels are left empty, so that the Rust code around them is checked where no CUDA is. */
function withStandIn(command: CommandLine): CommandLine {
  const NVCC = `${ROOT}scripts/cuda/stand_in_nvcc.sh`;
  const env = { ...command.env, NVCC, CUDARC_CUDA_VERSION: "13000", CUDA_COMPUTE_CAP: "90" };
  return { ...command, env };
}

/** Runs every check, also after one has failed; the names of those that failed. */
export async function runChecks(): Promise<string[]> {
  const failed: string[] = [];
  for (const [name, command] of Object.entries(CHECKS)) {
    const { success } = await step(name, () => run(command));
    if (!success) failed.push(name);
  }
  return failed;
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  const failed = await runChecks();
  if (failed.length > 0) {
    say(`Failed: ${failed.join(", ")}`);
    Deno.exit(1);
  }
}
