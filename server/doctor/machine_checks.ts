/** Checks of processor, memory and driver. */

import type { Machine } from "../../ffi/types.ts";
import { bytesText } from "../terminal/bytes.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** The default model with room for a conversation. */
const LEAST_MEMORY = 1e9;

/** Where the driver tells its version (NVIDIA's README, chapter "proc filesystem"). */
const NVIDIA_VERSION = "/proc/driver/nvidia/version";

/** Which instructions the kernels use. */
export function checkProcessor({ architecture, features, missing, cpuIsa, candleIsa }: Machine) {
  const has = features.length === 0 ? "" : `, has ${features.join(", ")}`;
  const lacks = missing.length === 0 ? "" : `, lacks ${missing.join(", ")}`;
  const found =
    `${architecture}${has}${lacks}: ${cpuIsa} for --backend cpu, ${candleIsa} for candle`;
  return cpuIsa === "portable"
    ? warn("processor", found, "It works, slowly; a processor with AVX2 is several times faster.")
    : ok("processor", found);
}

/** How many cores may be used. */
export function checkCores({ cores }: Machine): Finding {
  const found = cores === 1 ? "1 core" : `${cores} cores`;
  return cores === 1
    ? warn("cores", found, "Allow more: prompts are read on all cores at once.")
    : ok("cores", found);
}

/** How much memory is left. */
export function checkMemory({ availableBytes }: Machine): Finding {
  const found = `${bytesText(availableBytes)} available`;
  return availableBytes < LEAST_MEMORY
    ? warn("memory", found, `Free some: models and their KV cache want ${bytesText(LEAST_MEMORY)}.`)
    : ok("memory", found);
}

/** Whether there is a driver for a GPU; nothing here needs one. */
export async function checkDriver(
  read: (path: string) => Promise<string> = Deno.readTextFile,
): Promise<Finding> {
  const text = await read(NVIDIA_VERSION).catch(() => null);
  if (text === null) return ok("driver", "no NVIDIA driver; the processor computes");
  const version = / (\d[\d.]+) /.exec(text)?.[1] ?? "of unknown version";
  return ok("driver", `NVIDIA ${version}; this build computes on the processor`);
}

/** What is said when the library cannot be loaded, and nothing is known of the machine. */
export function libraryMissing(reason: string): Finding {
  return fail("library", reason, "See above; a downloaded tgi has the library inside.");
}
