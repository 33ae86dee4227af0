import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileExecutables } from "../../scripts/compile.ts";
import { defaultModel } from "../../scripts/models.ts";
import { say } from "../../scripts/steps.ts";
import { DEFAULT_MODEL } from "../../server/model_source/pinned_model.ts";
import { DEFAULT_MODEL_ID } from "../../server/options/table.ts";
import { type Box, type BoxOptions, makeBox, whyNoBox } from "./box.ts";
import type { Visit } from "./visit.ts";

const VISIT = fileURLToPath(new URL("visit.ts", import.meta.url));
const FLAGS = ["--backend", "cpu", "--max-batch-total-tokens", "8192"];

/** The two executables in a folder without anything else, and a box to run them in. */
interface Scene {
  readonly tgi: string;
  readonly tgiSmollm2: string;
  readonly model: string;
  readonly box: Box;
}

async function visit({ box }: Scene, program: string, ...flags: string[]): Promise<Visit> {
  const client = ["run", "--no-config", "--no-lock", "--cached-only", "-A", VISIT];
  const { code, stdout, stderr } = await box.run(
    [Deno.execPath(), ...client, program, ...FLAGS, ...flags],
    { temporary: "size=256m" },
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The last line of a start that fails; anything like a trace fails the test. */
async function failure(
  { box }: Scene,
  expected: number,
  command: readonly string[],
  options?: BoxOptions,
): Promise<string> {
  const { code, stdout, stderr } = await box.run(command, options);
  assert.equal(code, expected, stderr);
  assert.equal(stdout, "");
  assert.equal(stderr.split("\n").filter((line) => line.includes("ERROR")).length, 1, stderr);
  assert.doesNotMatch(stderr, /^\s+at |panicked|backtrace/im);
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  return last.replace(/^\S+ ERROR /, "");
}

function assertServed(seen: Visit, modelId: string): void {
  assert.equal(seen.health, 200);
  assert.equal(seen.info.model_id, modelId);
  assert.match(seen.text, /Paris/);
  assert.equal(seen.streamed, seen.text);
  assert.equal(seen.code, 0, seen.log);
  assert.match(seen.log, /INFO Core: .*libtgi_core\.so \(embedded in the executable\)/);
  assert.match(seen.log, /INFO Stopped; every request was answered\n$/);
  assert.equal(seen.second.code, 5);
  assert.match(
    seen.second.last,
    / ERROR Cannot listen on .*: another program uses this port; stop/,
  );
}

const CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async "--version tells the library, the instruction set, the device, and what ran"(scene) {
    const { code, stdout } = await scene.box.run([scene.tgiSmollm2, "--version"]);
    assert.equal(code, 0);
    const deno = /^Deno: (\d+\.\d+\.\d+)$/m.exec(stdout)?.[1];
    assert.ok(deno !== undefined, stdout);
    say(`The executables run on Deno ${deno}; the tests on ${Deno.version.deno}`);
    assert.match(stdout, /^Core: \/.*libtgi_core\.so \(embedded in the executable\)$/m);
    assert.match(stdout, /^Device: cpu, cuda \(/m);
    assert.match(stdout, /^Instruction sets: .*portable \(the fastest is found at load\)$/m);
    assert.ok(stdout.includes(`Model: ${DEFAULT_MODEL_ID}, `), stdout);
  },
  async "tgi-smollm2 generates from the model that it carries, and unpacks it nowhere"(scene) {
    const seen = await visit(scene, scene.tgiSmollm2);
    assertServed(seen, DEFAULT_MODEL_ID);
    assert.match(seen.log, /INFO Model: .*tgi-smollm2 \(carried in the executable\)/);
    for (const [name, bytes] of Object.entries(seen.files)) {
      assert.ok(bytes < DEFAULT_MODEL.bytes / 2, `${name} has ${bytes} bytes`);
    }
  },
  async "tgi generates from a file, and the text is the carried model's"(scene) {
    const seen = await visit(scene, scene.tgi, "--model-id", scene.model);
    assertServed(seen, scene.model);
    const carried = await visit(scene, scene.tgiSmollm2, "--cpu-isa", "portable");
    assert.equal(carried.text, seen.text);
    assert.match(carried.log, /instruction set portable \(named by --cpu-isa\)/);
  },
  async "a noexec folder for temporary files is exit code 4 and names TMPDIR"(scene) {
    assert.match(
      await failure(scene, 4, [scene.tgiSmollm2, ...FLAGS], { temporary: "size=64m,noexec" }),
      /^Cannot load the core from .*noexec.*; set TMPDIR to a folder where they may, or put /,
    );
  },
  async "a full folder for temporary files is exit code 4 and names TMPDIR"(scene) {
    assert.match(
      await failure(scene, 4, [scene.tgiSmollm2, ...FLAGS], { temporary: "size=1m" }),
      /^Cannot write the core into .*full.*; set TMPDIR to a folder with 32 MB free, or put /,
    );
  },
  async "a library that is not there is exit code 4"(scene) {
    const command = ["env", "TGI_CORE_LIB=/nowhere/libtgi_core.so", scene.tgi, ...FLAGS];
    assert.match(
      await failure(scene, 4, [...command, "--model-id", scene.model]),
      /^Cannot load \/nowhere\/libtgi_core\.so \(named by TGI_CORE_LIB\): there is no such file; /,
    );
  },
  async "candle on a GPU without its library beside the executable is exit code 4"(scene) {
    const beside = join(dirname(scene.tgi), "libtgi_core_candle_cuda.so");
    const onGpu = [scene.tgi, "--device", "cuda", "--model-id", scene.model];
    const { stdout } = await scene.box.run([scene.tgi, "--version"]);
    const none =
      "Core for --device cuda --backend candle: none. Cannot compute on cuda with candle: ";
    assert.ok(stdout.includes(none), stdout);
    assert.equal(
      await failure(scene, 4, [...onGpu, "--backend", "candle"]),
      `Cannot compute on cuda with candle: there is no ${beside}; put that library there, name one ` +
        "by TGI_CORE_LIB, or give --backend cuda.",
    );
  },
  async "too little memory is exit code 3 and names the flag to lower"(scene) {
    const large = [scene.tgiSmollm2, "--backend", "cpu", "--max-batch-total-tokens", "200000"];
    assert.match(
      await failure(scene, 3, large, { dataKib: 3_000_000 }),
      /^Cannot plan the memory: .* need .* MiB, .* are available; lower --max-batch-total-tokens to/,
    );
  },
  async "a model that may not be read is exit code 3"(scene) {
    await using folder = await emptyFolder();
    const path = join(folder.path, "secret.gguf");
    await Deno.writeTextFile(path, "GGUF", { mode: 0o000 });
    assert.match(
      await failure(scene, 3, [scene.tgi, ...FLAGS, "--model-id", path]),
      /^Cannot open .*secret\.gguf: Permission denied .*; check the path and its permissions/,
    );
  },
  async "instructions that are not there are refused, those of any processor are not"(scene) {
    const wanted = [scene.tgiSmollm2, ...FLAGS, "--cpu-isa", "sse9"];
    assert.match(await failure(scene, 2, wanted), /^--cpu-isa sse9 cannot be used: .*portable/);
  },
  async "an executable whose model is spoilt is one sentence"(scene) {
    await using folder = await emptyFolder();
    const cut = join(folder.path, "tgi-moved");
    await Deno.copyFile(scene.tgiSmollm2, cut);
    await spoil(cut, offsetOfModel(scene));
    assert.match(
      await failure(scene, 3, [cut, ...FLAGS]),
      /^Cannot open .*tgi-moved: it begins with .*, expected GGUF; /,
    );
  },
};

/** The model starts at the first page behind the base binary, which the program tells. */
function offsetOfModel({ tgiSmollm2 }: Scene): number {
  const { stdout } = new Deno.Command(tgiSmollm2, { args: ["--version"] }).outputSync();
  return Number(/at byte (\d+)/.exec(new TextDecoder().decode(stdout))?.[1]);
}

/** Overwrites four bytes; the file is closed afterwards, or it could not be run. */
async function spoil(path: string, offset: number): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(new Uint8Array(4));
}

async function emptyFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "tgi-packaging-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("the executables, moved to an empty folder, in a box without a network", async (t) => {
  assert.equal(await whyNoBox(), null);
  await using folder = await emptyFolder();
  const built = await compileExecutables(join(folder.path, "built"));
  const moved = join(folder.path, "moved");
  await Deno.rename(join(folder.path, "built"), moved);
  await using box = await makeBox();
  const scene: Scene = {
    tgi: join(moved, "tgi"),
    tgiSmollm2: join(moved, "tgi-smollm2"),
    model: await defaultModel(),
    box,
  };
  assert.equal(built.tgi, join(folder.path, "built", "tgi"));
  for (const [name, work] of Object.entries(CASES)) await t.step(name, () => work(scene));
});
