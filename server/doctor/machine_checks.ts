/** Checks of processor and memory. */

import type { Device, Machine } from "../../ffi/types.ts";
import { bytesText } from "../terminal/bytes.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** The default model with room for a conversation. */
const LEAST_MEMORY = 1e9;

/** Which instructions the kernels use. */
export function checkProcessor({ architecture, features, missing, cpuIsas, candleIsa }: Machine) {
  const has = features.length === 0 ? "" : `, has ${features.join(", ")}`;
  const lacks = missing.length === 0 ? "" : `, lacks ${missing.join(", ")}`;
  const widest = `up to ${cpuIsas[0]} for --backend cpu, ${candleIsa} for candle`;
  const found = `${architecture}${has}${lacks}: ${widest}`;
  return cpuIsas[0] === "portable"
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

/** What is said when the library cannot be loaded, and nothing is known of the machine. */
export function libraryMissing(reason: string, device: Device): Finding {
  return fail(
    "library",
    reason.replace(/\.$/, ""),
    device === "cpu"
      ? "See above; a downloaded tgi has the library inside."
      : "See above; docs/cuda.md lists what a GPU needs.",
  );
}
