/**
 * A CUDA toolkit to build with, on machines without one: put together from the wheels that NVIDIA
 * publishes on PyPI, kept in our cache. Linux x86-64.
 */

import { dirname, join } from "node:path";
import { cacheFolder } from "../packaging/pinned_program.ts";
import { runQuietly } from "../packaging/quiet.ts";
import type { CommandLine } from "../steps.ts";
import { stubSource } from "./link_stub.ts";

/** Version of the toolkit; the wheels are those that `cuda-toolkit==13.0.2` on PyPI asks for. */
export const TOOLKIT_VERSION = "13.0.2";

/** A wheel: version, and SHA-256 in hexadecimal. */
type Wheel = readonly [version: string, sha256: string];

/** Compiler, headers, and the libraries that candle links. */
const WHEELS: Readonly<Record<string, Wheel>> = {
  "nvidia-cuda-nvcc": [
    "13.0.88",
    "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
  ],
  "nvidia-nvvm": ["13.0.88", "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0"],
  "nvidia-cuda-crt": [
    "13.0.88",
    "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4",
  ],
  "nvidia-cuda-runtime": [
    "13.0.96",
    "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
  ],
  "nvidia-cuda-cccl": [
    "13.0.85",
    "e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649",
  ],
  "nvidia-cuda-profiler-api": [
    "13.0.85",
    "73d2671deac833db6686d6fbde4753fa3a3a497d87540fc246f081f375243f66",
  ],
  "nvidia-cuda-nvrtc": [
    "13.0.88",
    "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
  ],
  "nvidia-cublas": [
    "13.1.0.3",
    "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
  ],
  "nvidia-curand": [
    "10.4.0.35",
    "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
  ],
};

/** Written last: a folder without it is not whole. */
const COMPLETE = ".complete";

/** Uses a header and a type of the toolkit; nothing runs it. */
const PROBE = "#include <cuda_bf16.h>\n" +
  "__global__ void probe(__nv_bfloat16 *x) { x[threadIdx.x] = __float2bfloat16(2.f); }\n";

/** A toolkit's folder, and where it came from. */
export interface Toolkit {
  readonly home: string;
  readonly origin: string;
}

/** The toolkit that `CUDA_HOME` names, else the one in our cache; null when there is neither. */
export async function findToolkit(): Promise<Toolkit | null> {
  const named = Deno.env.get("CUDA_HOME");
  if (named && await isFile(join(named, "bin", "nvcc"))) {
    return { home: named, origin: "named by CUDA_HOME" };
  }
  const home = toolkitFolder();
  return await isFile(join(home, COMPLETE)) ? { home, origin: "in the cache" } : null;
}

/** Where the toolkit lies in our cache. */
export function toolkitFolder(): string {
  return cacheFolder("cuda", TOOLKIT_VERSION);
}

/**
 * The toolkit in our cache; fetched and put together once.
 *
 * @throws Error of one sentence when a wheel cannot be had or the compiler does not run.
 */
export async function ensureToolkit(): Promise<Toolkit> {
  const home = toolkitFolder();
  if (!await isFile(join(home, COMPLETE))) await putTogether(home);
  return { home, origin: "in the cache" };
}

async function putTogether(home: string): Promise<void> {
  if (`${Deno.build.os}-${Deno.build.arch}` !== "linux-x86_64") {
    throw new Error("Cannot put a CUDA toolkit together: the wheels are for Linux x86-64");
  }
  await Deno.mkdir(dirname(home), { recursive: true });
  const staging = await Deno.makeTempDir({ dir: dirname(home), prefix: ".fetch-" });
  try {
    const tree = await unpackWheels(staging);
    await linkNames(tree);
    await makeStub(tree);
    await probe(tree);
    await Deno.writeTextFile(join(tree, COMPLETE), "");
    await Deno.remove(home, { recursive: true }).catch(() => {});
    await Deno.rename(tree, home);
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** All wheels unpack into one tree, `nvidia/cu13`. */
async function unpackWheels(staging: string): Promise<string> {
  const list = join(staging, "requirements.txt");
  await Deno.writeTextFile(list, requirements());
  const target = join(staging, "wheels");
  const quietly = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"];
  await must({
    program: "python3",
    args: [
      ...["-m", "pip", "install", ...quietly, "--no-deps", "--only-binary=:all:"],
      ...["--require-hashes", "--target", target, "--requirement", list],
    ],
  });
  return join(target, "nvidia", "cu13");
}

/** What pip is asked for: each wheel by version and hash. */
export function requirements(): string {
  return Object.entries(WHEELS)
    .map(([name, [version, sha256]]) => `${name}==${version} --hash=sha256:${sha256}\n`).join("");
}

/** Compilers look in `lib64`, linkers for `libX.so`; wheels have `lib` and `libX.so.N` alone. */
async function linkNames(tree: string): Promise<void> {
  await Deno.symlink("lib", join(tree, "lib64"));
  for (const { name } of [...Deno.readDirSync(join(tree, "lib"))]) {
    const plain = name.replace(/\.so\.[\d.]+$/, ".so");
    if (plain !== name) await Deno.symlink(name, join(tree, "lib", plain));
  }
}

/** The driver's library comes with the driver; to link against it a stub of its names is enough. */
async function makeStub(tree: string): Promise<void> {
  const folder = join(tree, "lib", "stubs");
  await Deno.mkdir(folder);
  const source = join(folder, "cuda.c");
  const header = await Deno.readTextFile(join(tree, "include", "cuda.h"));
  await Deno.writeTextFile(source, stubSource(header));
  const output = ["-o", join(folder, "libcuda.so")];
  await must({
    program: "cc",
    args: ["-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1", ...output, source],
    missing: "a C compiler (cc) was not found",
  });
}

async function probe(tree: string): Promise<void> {
  const source = join(tree, "probe.cu");
  await Deno.writeTextFile(source, PROBE);
  const cubin = join(tree, "probe.cubin");
  const args = ["-cubin", "-arch=sm_90", "-o", cubin, source];
  await must({ program: join(tree, "bin", "nvcc"), args });
  await Promise.all([source, cubin].map((path) => Deno.remove(path)));
}

async function must(command: CommandLine): Promise<void> {
  const { success, lastWords } = await runQuietly(command);
  if (!success) throw new Error(`Cannot put a CUDA toolkit together: ${lastWords}`);
}

function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile, () => false);
}
