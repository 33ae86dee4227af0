import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { stubSource } from "./link_stub.ts";
import { ensureToolkit, findToolkit, requirements, toolkitFolder } from "./toolkit.ts";

/** Runs `work` with an environment variable set to this. */
async function withVariable(name: string, value: string, work: () => Promise<void>) {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  try {
    await work();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}

Deno.test("the stub has each function of the header once, and tells what it is", () => {
  const header = "CUresult CUDAAPI cuInit(unsigned int Flags);\n" +
    "/** see cuInit */ CUresult cuDeviceGet(CUdevice *device, int ordinal);\n#define __cuda_cuda_h__";
  equal(
    stubSource(header),
    "int cuDeviceGet(void) { return 34; }\nint cuInit(void) { return 34; }\n",
  );
});

Deno.test("every wheel is asked for by its version and its hash", () => {
  const lines = requirements().trimEnd().split("\n");
  for (const line of lines) match(line, /^nvidia-[a-z-]+==[\d.]+ --hash=sha256:[\da-f]{64}$/);
  equal(new Set(lines).size, lines.length);
});

Deno.test("a cache with half a toolkit has none, a whole one is kept as it is", async () => {
  await using folder = await scratchFolder();
  await withVariable(
    "CUDA_HOME",
    "",
    () =>
      withVariable("XDG_CACHE_HOME", folder.path, async () => {
        const home = toolkitFolder();
        await Deno.mkdir(join(home, "bin"), { recursive: true });
        await Deno.writeTextFile(join(home, "bin", "nvcc"), "");
        equal(await findToolkit(), null);
        await Deno.writeTextFile(join(home, ".complete"), "");
        equal((await findToolkit())?.home, home);
        equal((await ensureToolkit()).home, home);
      }),
  );
});

Deno.test("CUDA_HOME goes before the cache when it has a compiler", async () => {
  await using folder = await scratchFolder();
  await withVariable(
    "XDG_CACHE_HOME",
    folder.path,
    () =>
      withVariable("CUDA_HOME", folder.path, async () => {
        equal(await findToolkit(), null);
        await Deno.mkdir(join(folder.path, "bin"));
        await Deno.writeTextFile(join(folder.path, "bin", "nvcc"), "");
        equal((await findToolkit())?.origin, "named by CUDA_HOME");
      }),
  );
});
