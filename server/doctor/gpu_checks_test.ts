import { deepEqual, equal, match } from "node:assert/strict";
import type { Gpu, Machine } from "../../ffi/types.ts";
import { checkDriver, checkGpu } from "./gpu_checks.ts";

const MACHINE: Machine = {
  version: "0.1.0",
  devices: ["cpu", "cuda"],
  gpus: [],
  gpuProblem: null,
  architecture: "x86_64",
  cores: 2,
  features: [],
  missing: [],
  cpuIsas: ["portable"],
  candleIsa: "avx512f",
  availableBytes: 1e9,
};

const GPU: Gpu = {
  device: "cuda:0",
  name: "NVIDIA H200",
  isa: "sm_90",
  freeBytes: 149e9,
  totalBytes: 150e9,
};

function driver(version: string): (path: string) => Promise<string> {
  return () =>
    Promise.resolve(`NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Tue Aug 1 2025\n`);
}

function none(): Promise<string> {
  return Promise.reject(new Deno.errors.NotFound("no such file"));
}

Deno.test("without a driver the processor computes, and for a GPU one is advised", async () => {
  deepEqual((await checkDriver("cpu", none)).state, "ok");
  const wanted = await checkDriver("cuda:1", none);
  equal(wanted.state, "warn");
  match(wanted.advice ?? "", /^Install NVIDIA's driver 580 or newer, or give --device cpu\.$/);
});

Deno.test("a driver that is too old fails only when a GPU is asked for", async () => {
  equal((await checkDriver("cpu", driver("550.54.14"))).state, "ok");
  const old = await checkDriver("cuda", driver("550.54.14"));
  deepEqual([old.state, old.found], ["fail", "NVIDIA 550.54.14 is older than 580"]);
  deepEqual((await checkDriver("cuda", driver("580.65.06"))).found, "NVIDIA 580.65.06");
  equal((await checkDriver("cuda", () => Promise.resolve("?"))).state, "warn");
});

Deno.test("no GPU is looked at unless one is asked for", () => {
  deepEqual(checkGpu("cpu", { ...MACHINE, gpus: [GPU] }), []);
});

Deno.test("a GPU is told by name, instruction set and memory", () => {
  for (const device of ["cuda", "cuda:0"] as const) {
    const [finding] = checkGpu(device, { ...MACHINE, gpus: [GPU] });
    equal(finding?.state, "ok");
    equal(finding?.found, "cuda:0 is an NVIDIA H200, sm_90, 149.0 GB of 150.0 GB free");
  }
});

Deno.test("a GPU that is not there fails with what the driver says, or with how many there are", () => {
  const found = (machine: Machine) => checkGpu("cuda:4", machine)[0]?.found;
  equal(found({ ...MACHINE, gpus: [GPU] }), "there is no cuda:4 (there is 1 GPU)");
  equal(found({ ...MACHINE, gpuProblem: "no device is detected" }), "no device is detected");
  equal(found({ ...MACHINE, devices: ["cpu"] }), "this library computes on cpu alone");
});
