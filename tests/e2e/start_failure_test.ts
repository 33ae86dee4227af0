import assert from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../fakes/scratch.ts";
import { ROOT, runToEnd, type StartOptions } from "./server.ts";

/** The library that cargo builds; it computes on the processor alone. */
const CORE = `${ROOT}core-rs/target/release/libtgi_core.so`;

/** The last line of a start that fails; nothing else may be an error. */
async function failure(
  code: number,
  args: readonly string[],
  options?: StartOptions,
): Promise<string> {
  const ended = await runToEnd(args, options);
  assert.equal(ended.code, code, ended.stderr);
  assert.equal(ended.stdout, "");
  const lines = ended.stderr.trimEnd().split("\n");
  assert.equal(lines.filter((line) => line.includes("ERROR")).length, 1, ended.stderr);
  assert.ok(!/^\s+at /m.test(ended.stderr), ended.stderr);
  const last = lines.at(-1) ?? "";
  assert.match(last, /^\d{4}-\S+Z ERROR /);
  return last.replace(/^\S+ ERROR /, "");
}

Deno.test("--help and --version print on standard output and end well", async () => {
  const help = await runToEnd(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^tgi \d+\.\d+\.\d+: /);
  const version = await runToEnd(["--version"]);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\nDeno: \d/);
  assert.match(
    version.stdout,
    /^Core: \/.*libtgi_core\.so \((built by cargo|embedded in the executable)\)$/m,
  );
  assert.match(version.stdout, /^Device: cpu, cuda \(.*\)$/m);
  assert.match(
    version.stdout,
    /^Core for --device cuda --backend candle: (\/.* \(.*\)|none\. Cannot compute on .*)$/m,
  );
  assert.match(version.stdout, /^Instruction sets: .*portable \(the fastest is found at load\)$/m);
});

Deno.test("a wrong flag is one sentence and exit code 2", async () => {
  assert.equal(
    await failure(2, ["--port", "none"]),
    "--port none cannot be used: it must be a whole number from 0 to 65535. See --help.",
  );
  assert.match(await failure(2, ["--prot", "1"]), /^Unknown option '--prot' /);
  assert.match(await failure(2, ["--api-key", ""]), /^--api-key "" cannot be used/);
});

Deno.test("a port in use is one sentence and exit code 5", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  const sentence = `Cannot listen on 127.0.0.1:${port}: another program uses this port; stop it ` +
    "or choose another by --port.";
  assert.equal(await failure(5, ["--backend", "scripted", "--port", port]), sentence);
  const beforeAnyModel = ["--model-id", "/nowhere.gguf", "--port", port];
  assert.equal(await failure(5, beforeAnyModel), sentence);
});

Deno.test("an address that this machine does not have is one sentence and exit code 5", async () => {
  assert.match(
    await failure(5, ["--backend=scripted", "--hostname=192.0.2.1", "--port=0"]),
    /^Cannot listen on 192\.0\.2\.1:0: this machine has no such address; choose one by --hostname/,
  );
});

Deno.test("a model that is missing or is no GGUF is one sentence and exit code 3", async () => {
  await using folder = await scratchFolder();
  const missing = join(folder.path, "missing.gguf");
  assert.equal(
    await failure(3, ["--model-id", missing]),
    `Cannot open the model ${missing}: there is no such file or folder; check --model-id.`,
  );
  const broken = join(folder.path, "broken.gguf");
  await Deno.writeTextFile(broken, "GGUF and then nothing that makes sense");
  assert.match(await failure(3, ["--model-id", broken]), /broken\.gguf/);
});

Deno.test("a GPU that cannot be had is one sentence and exit code 4", async () => {
  const args = ["--model-id", "tests/fixtures/tiny-llama.gguf", "--device", "cuda:1"];
  assert.match(
    await failure(4, args, { env: { CUDA_VISIBLE_DEVICES: "" } }),
    /^Cannot compute on cuda:1: (this machine has no NVIDIA driver \(libcuda|the driver shows 0 GPUs)/,
  );
});

Deno.test("a GPU without candle's library, or with one for the processor, is one sentence", async () => {
  const args = [
    ...["--model-id", "tests/fixtures/tiny-llama.gguf", "--device", "cuda:1"],
    ...["--backend", "candle"],
  ];
  assert.match(
    await failure(4, args, { env: { TGI_CORE_LIB: "/nowhere/lib.so" } }),
    /^Cannot load \/nowhere\/lib\.so \(named by TGI_CORE_LIB\): there is no such file; /,
  );
  assert.equal(
    await failure(3, args, { env: { TGI_CORE_LIB: CORE } }),
    'Cannot compute on a GPU with backend "candle": only `cuda` does; set --backend or --device',
  );
  assert.match(
    await failure(2, ["--device", "cuda:1", "--backend", "cpu"]),
    /^--device cuda:1 needs --backend cuda or candle, not cpu: /,
  );
});

Deno.test("limits that the core cannot keep are one sentence and exit code 3", async () => {
  assert.match(
    await failure(3, ["--backend=scripted", "--max-total-tokens=4000000000"]),
    /^Cannot .*--max-total-tokens/,
  );
});

Deno.test("without a core library the start is one sentence and exit code 4", async () => {
  await using folder = await scratchFolder();
  const library = join(folder.path, "libtgi_core.so");
  const options = { env: { TGI_CORE_LIB: library } };
  assert.ok((await failure(4, ["--backend=scripted"], options)).includes(library));
});
