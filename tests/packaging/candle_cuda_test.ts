import { equal, match, ok } from "node:assert/strict";
import { dirname, join } from "node:path";
import {
  buildCandleCuda,
  CANDLE_CUDA_LIBRARY,
  kernelsAreCompiled,
} from "../../scripts/build_candle_cuda.ts";
import { findToolkit, type Toolkit } from "../../scripts/cuda/toolkit.ts";
import { deno, ROOT, say } from "../../scripts/steps.ts";
import { runQuietly } from "../../scripts/packaging/quiet.ts";
import { runInPipe } from "../cli/pipe.ts";
import { scratchFolder } from "../fakes/scratch.ts";

const MODEL = join(ROOT, "tests/fixtures/tiny-llama.gguf");
const GENERATE = [
  ...["generate", "a b c", "--model-id", MODEL, "--backend", "candle"],
  ...["--max-new-tokens", "8", "--json"],
];

/** A machine with the library: CUDA's own are found, the driver's is the real one or a stub. */
interface Scene {
  readonly withStub: Readonly<Record<string, string>>;
  readonly withoutStub: Readonly<Record<string, string>>;
}

/** The one error of a start that fails, without its time. */
async function refusal(code: number, env: Readonly<Record<string, string>>): Promise<string> {
  const onGpu = ["--device", "cuda:0", "--backend", "candle"];
  const flags = ["--model-id", MODEL, ...onGpu, "--port", "0"];
  const ended = await runInPipe(["serve", ...flags], { env });
  equal(ended.code, code, ended.stderr);
  const errors = ended.stderr.split("\n").filter((line) => line.includes("ERROR"));
  equal(errors.length, 1, ended.stderr);
  ok(!/panicked|^\s+at /m.test(ended.stderr), ended.stderr);
  return (errors[0] ?? "").replace(/^\S+ ERROR /, "");
}

/** The texts of a generation. */
async function generated(env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await runInPipe([...GENERATE, "--device", "cpu"], { env });
  equal(code, 0, stderr);
  return JSON.parse(stdout).generated_text;
}

const CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async "on the processor it generates what the ordinary library does"({ withStub }) {
    equal(await generated(withStub), await generated({}));
  },
  async "a driver that refuses is one sentence and exit code 3"({ withStub }) {
    match(await refusal(3, withStub), /^Cannot compute on cuda:0: .*CUDA_ERROR_STUB_LIBRARY/);
  },
  async "doctor tells what the driver says"({ withStub }) {
    const onGpu = ["--device", "cuda", "--backend", "candle"];
    const command = ["doctor", ...onGpu, "--model-id", MODEL, "--port", "0", "--json"];
    const { code, stdout } = await runInPipe(command, { env: withStub });
    equal(code, 1);
    const findings: { check: string; state: string; found: string }[] = JSON.parse(stdout);
    const gpu = findings.find(({ check }) => check === "gpu");
    equal(gpu?.state, "fail");
    match(gpu?.found ?? "", /^Cannot compute on cuda:0: .*CUDA_ERROR_STUB_LIBRARY/);
  },
};

/** What holds on machines without a driver alone. */
async function withoutDriver({ withoutStub }: Scene): Promise<void> {
  equal(
    await refusal(4, withoutStub),
    "Cannot compute on cuda:0: this machine has no NVIDIA driver (libcuda.so.1, which " +
      `${CANDLE_CUDA_LIBRARY} needs, was not found); install driver 580 or newer, or give ` +
      "--device cpu.",
  );
}

async function sceneOf({ home }: Toolkit, folder: string): Promise<Scene> {
  await Deno.symlink(join(home, "lib", "stubs", "libcuda.so"), join(folder, "libcuda.so.1"));
  const TGI_CORE_LIB = CANDLE_CUDA_LIBRARY;
  const libraries = join(home, "lib64");
  return {
    withStub: { TGI_CORE_LIB, LD_LIBRARY_PATH: `${folder}:${libraries}` },
    withoutStub: { TGI_CORE_LIB, LD_LIBRARY_PATH: libraries },
  };
}

function hasDriver(): Promise<boolean> {
  return Deno.stat("/proc/driver/nvidia/version").then(() => true, () => false);
}

Deno.test("without a toolkit a build for CUDA is one sentence with the task that gets one", async () => {
  await using folder = await scratchFolder();
  const env = { CUDA_HOME: "", XDG_CACHE_HOME: folder.path };
  const { success, lastWords } = await runQuietly({
    ...deno("run", "-A", "scripts/build_candle_cuda.ts"),
    env,
  });
  equal(success, false);
  match(lastWords, /^error: Cannot build for CUDA: .*; run `deno task cuda-toolkit` first\.$/);
});

/** Why it is not built here, for the test's name; null where it is. Cold, it outlasts all tests. */
async function whyNotBuilt(toolkit: Toolkit | null): Promise<string | null> {
  if (toolkit === null) return "no toolkit; deno task cuda-toolkit gets one";
  return await kernelsAreCompiled()
    ? null
    : "candle's kernels are not compiled; deno task build:candle-cuda compiles them once";
}

const toolkit = await findToolkit();
const reason = await whyNotBuilt(toolkit);

if (toolkit === null || reason !== null) {
  Deno.test(`candle on CUDA is NOT BUILT here: ${reason}; asked for, it is exit code 4`, async () => {
    const pattern =
      /^Cannot compute on cuda:0 with candle: there is no .*\.so; .*--backend cuda\.$/;
    match(await refusal(4, { TGI_CORE_LIB: "" }), pattern);
  });
} else {
  Deno.test(`candle on CUDA, built with the toolkit ${toolkit.origin}`, async (t) => {
    ok(await buildCandleCuda(toolkit));
    const { size } = await Deno.stat(CANDLE_CUDA_LIBRARY);
    say(`${CANDLE_CUDA_LIBRARY}: ${(size / 1e6).toFixed(1)} MB`);
    equal(dirname(CANDLE_CUDA_LIBRARY), join(ROOT, "core-rs/target/candle-cuda/release"));
    await using folder = await scratchFolder();
    const scene = await sceneOf(toolkit, folder.path);
    for (const [name, work] of Object.entries(CASES)) await t.step(name, () => work(scene));
    if (await hasDriver()) {
      await t.step("this machine has a driver: a start without one is NOT TESTED here", () => {});
    } else {
      const name = "on this machine, without a driver, --device cuda is exit code 4";
      await t.step(name, () => withoutDriver(scene));
    }
  });
}
