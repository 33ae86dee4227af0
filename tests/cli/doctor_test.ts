import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../e2e/server.ts";
import { scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { openTerminal } from "./terminal.ts";

const DOCTOR = ["doctor", "--backend", "scripted", "--port", "0"];
const CHECKS = [
  ...["program", "library", "processor", "cores", "memory", "model", "driver", "cache", "disk"],
  "port",
];

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly found: string;
  readonly advice: string | null;
}

/** The findings by their names, and the exit code. */
async function findings(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout } = await runInPipe([...args, "--json"], { env });
  const all: Finding[] = JSON.parse(stdout);
  return { code, of: (check: string) => all.find((finding) => finding.check === check) };
}

Deno.test("a sound machine is told check by check, each on a line", async () => {
  await using folder = await scratchFolder();
  await using terminal = openTerminal(DOCTOR, { HF_HOME: folder.path });
  equal(await terminal.ended, 0);
  for (const check of CHECKS) {
    match(terminal.screen().join("\n"), new RegExp(`^(ok|warn) +${check} `, "m"));
  }
  ok(!terminal.screen().some((line) => line.startsWith("fail")));
});

Deno.test("in a pipe there are no colours, on a terminal there are", async () => {
  await using folder = await scratchFolder();
  const env = { HF_HOME: folder.path, NO_COLOR: "" };
  await using terminal = openTerminal(DOCTOR, env);
  const { stdout } = await runInPipe(DOCTOR, { env });
  await terminal.ended;
  ok(!stdout.includes("\x1b"));
  ok(terminal.bytes().includes("\x1b[32mok"));
});

Deno.test("a port in use fails with the flag to change", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  const { code, of } = await findings(["doctor", "--backend", "scripted", "--port", port]);
  equal(code, 1);
  equal(of("port")?.state, "fail");
  equal(of("port")?.advice, "Stop it or choose another by --port.");
});

Deno.test("a cache that cannot be written fails, and nothing is left behind", async () => {
  await using folder = await scratchFolder();
  const file = join(folder.path, "file");
  await Deno.writeTextFile(file, "");
  const { code, of } = await findings(DOCTOR, { HF_HUB_CACHE: join(file, "hub") });
  equal(code, 1);
  equal(of("cache")?.found, `${file}/hub cannot be written (a file stands in its way)`);
  match(of("cache")?.advice ?? "", /^Set HF_HOME and XDG_CACHE_HOME/);
  const home = await findings(DOCTOR, { HF_HUB_CACHE: "/proc/nowhere/hub" });
  equal(home.of("cache")?.state, "fail");
});

Deno.test("a model that is missing warns, one that is broken fails", async () => {
  await using folder = await scratchFolder();
  const env = { HF_HUB_CACHE: folder.path, XDG_CACHE_HOME: folder.path };
  const missing = await findings(["doctor", "--port", "0"], env);
  equal(missing.code, 0);
  equal(missing.of("model")?.state, "warn");
  match(missing.of("model")?.advice ?? "", /^Get it by: tgi models fetch QuantFactory\//);
  const broken = join(folder.path, "broken.gguf");
  await Deno.writeTextFile(broken, "GGUF and then nothing that makes sense");
  const { code, of } = await findings(["doctor", "--port", "0", "--model-id", broken], env);
  equal(code, 1);
  equal(of("model")?.state, "fail");
});

Deno.test("without a library the rest is checked all the same", async () => {
  const { code, of } = await findings(DOCTOR, { TGI_CORE_LIB: "/nowhere/lib.so" });
  equal(code, 1);
  equal(of("library")?.state, "fail");
  equal(of("port")?.state, "ok");
});

Deno.test("a GPU that is asked for is looked at, with the library that would compute on it", async () => {
  const gpu = ["doctor", "--device", "cuda", "--port", "0"];
  const core = `${ROOT}core-rs/target/release/libtgi_core.so`;
  const { code, of } = await findings(gpu, { TGI_CORE_LIB: core, CUDA_VISIBLE_DEVICES: "" });
  equal(code, 1);
  equal(of("library")?.found, `${core} (named by TGI_CORE_LIB)`);
  equal(of("gpu")?.found, "there is no cuda:0 (there are 0 GPUs)");
  const missing = await findings(gpu, { TGI_CORE_LIB: "/nowhere/lib.so" });
  equal(missing.of("library")?.advice, "See above; docs/cuda.md lists what a GPU needs.");
  equal(missing.of("gpu"), undefined);
});

Deno.test("a full disk under the report is one sentence", async () => {
  const { code, stderr } = await runInPipe(DOCTOR, { shell: '"$@" > /dev/full' });
  equal(code, 1);
  match(stderr, /^error: Cannot write to standard output: the disk is full/);
});
