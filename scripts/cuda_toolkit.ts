/**
 * Puts a CUDA toolkit into our cache and prints its folder.
 *
 * Usage: deno task cuda-toolkit [--help]
 */

import { ensureToolkit, TOOLKIT_VERSION } from "./cuda/toolkit.ts";
import { print, say, step } from "./steps.ts";

const HELP = `Usage: deno task cuda-toolkit

Puts CUDA ${TOOLKIT_VERSION} (compiler, headers, the libraries that candle links) together from
wheels of PyPI, by pinned hashes, in the cache folder, and prints where. 1.2 GB, once; Linux x86-64.
\`deno task build:candle-cuda\` finds it there. The NVIDIA driver is not part of it.`;

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  try {
    const { home } = await step(`CUDA ${TOOLKIT_VERSION}`, ensureToolkit);
    print(home);
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
