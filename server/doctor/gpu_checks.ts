/** Checks of NVIDIA's driver and of the GPU that is asked for. */

import type { Device, Machine } from "../../ffi/types.ts";
import { bytesText } from "../terminal/bytes.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** Where the driver tells its version (NVIDIA's README, chapter "proc filesystem"). */
const NVIDIA_VERSION = "/proc/driver/nvidia/version";

/** The first driver of CUDA 13 (CUDA toolkit release notes, table 3). */
const LEAST_DRIVER = 580;

const GET_DRIVER = `Install NVIDIA's driver ${LEAST_DRIVER} or newer, or give --device cpu.`;

/** Whether there is a driver, and one that is new enough, when a GPU is asked for. */
export async function checkDriver(
  device: Device,
  read: (path: string) => Promise<string> = Deno.readTextFile,
): Promise<Finding> {
  const text = await read(NVIDIA_VERSION).catch(() => null);
  if (text === null) {
    return device === "cpu"
      ? ok("driver", "no NVIDIA driver; the processor computes")
      : warn("driver", `no NVIDIA driver is seen (no ${NVIDIA_VERSION})`, GET_DRIVER);
  }
  const version = / (\d[\d.]+) /.exec(text)?.[1];
  if (version === undefined) {
    return warn("driver", "NVIDIA, of unknown version", "Look by nvidia-smi.");
  }
  if (parseInt(version) < LEAST_DRIVER) {
    const found = `NVIDIA ${version} is older than ${LEAST_DRIVER}`;
    return device === "cpu"
      ? ok("driver", `${found}, which --device cuda needs; the processor computes`)
      : fail("driver", found, GET_DRIVER);
  }
  return ok(
    "driver",
    device === "cpu"
      ? `NVIDIA ${version}; the processor computes unless --device cuda is given`
      : `NVIDIA ${version}`,
  );
}

/** Whether the GPU that is asked for can be had; nothing when none is. */
export function checkGpu(device: Device, { devices, gpus, gpuProblem }: Machine): Finding[] {
  if (device === "cpu") return [];
  const name = device === "cuda" ? "cuda:0" : device;
  const gpu = gpus.find(({ device }) => device === name);
  if (gpu !== undefined) {
    const memory = `${bytesText(gpu.freeBytes)} of ${bytesText(gpu.totalBytes)} free`;
    return [ok("gpu", `${name} is an ${gpu.name}, ${gpu.isa}, ${memory}`)];
  }
  if (!devices.includes("cuda")) {
    const found = `this library computes on ${devices.join(", ")} alone`;
    return [fail("gpu", found, "Name libtgi_core_candle_cuda.so by TGI_CORE_LIB, or none.")];
  }
  const found = gpuProblem ??
    `there is no ${name} (there ${gpus.length === 1 ? "is 1 GPU" : `are ${gpus.length} GPUs`})`;
  return [fail("gpu", found, "See which GPUs nvidia-smi shows, or give --device cpu.")];
}
