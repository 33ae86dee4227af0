import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { COMMAND_NAMES } from "../../server/options/commands.ts";
import { ROOT } from "../e2e/server.ts";
import { scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { openTerminal, withoutControls } from "./terminal.ts";

/** What a shell prints for a program of its own. */
async function shell(program: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(program, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  equal(decoder.decode(output.stderr), "");
  return decoder.decode(output.stdout).trim();
}

function missing(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["--version"] }).outputSync();
    return false;
  } catch {
    return true;
  }
}

async function script(name: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await runInPipe(["completions", name]);
  equal(code, 0);
  equal(stderr, "");
  const path = join(folder, name);
  await Deno.writeTextFile(path, stdout);
  return path;
}

Deno.test("bash completes commands, flags and values", async () => {
  await using folder = await scratchFolder();
  const path = await script("bash", folder.path);
  const complete = async (...words: string[]) => {
    const list = words.map((word) => `"${word}"`).join(" ");
    const run = `source ${path}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _tgi; ` +
      'echo "${COMPREPLY[@]}"';
    return (await shell("bash", "--norc", "-c", run)).split(" ");
  };
  deepEqual(await complete("tgi", ""), [...COMMAND_NAMES]);
  deepEqual(await complete("tgi", "gen"), ["generate"]);
  deepEqual(await complete("tgi", "--backend", ""), ["cpu", "cuda", "candle", "scripted"]);
  deepEqual(await complete("tgi", "chat", "--temp"), ["--temperature"]);
  deepEqual(await complete("tgi", "models", "f"), ["fetch"]);
  deepEqual(await complete("tgi", "completions", "z"), ["zsh"]);
  deepEqual(await complete("tgi", "--api-key", ""), [""]);
});

Deno.test({
  name: "fish completes commands, flags and values, with what they mean",
  ignore: missing("fish"),
  fn: async () => {
    await using folder = await scratchFolder();
    const path = await script("fish", folder.path);
    const complete = async (line: string) => {
      const run = `source ${path}; complete -C '${line}'`;
      return (await shell("fish", "--no-config", "-c", run)).split("\n");
    };
    const words = (await complete("tgi ")).map((line) => line.split("\t")[0]);
    deepEqual(words.toSorted(), [...COMMAND_NAMES].toSorted());
    deepEqual(
      await complete("tgi --backend "),
      ["candle", "cpu", "cuda", "scripted"].map((word) =>
        `${word}\tcpu computes the model in int8 by kernels of its own; cuda by kernels of its own on an NVIDIA GPU; candle in f32, the slow reference; scripted invents text at a set pace, for tests.`
      ),
    );
    match((await complete("tgi chat --temp"))[0] ?? "", /^--temperature\tAbove 1/);
    deepEqual(await complete("tgi models f"), ["fetch"]);
  },
});

Deno.test({
  name: "zsh completes commands, flags and values",
  ignore: missing("zsh"),
  fn: async () => {
    await using folder = await scratchFolder();
    const path = await script("zsh", folder.path);
    const complete = (line: string) =>
      shell("zsh", "-f", join(ROOT, "tests/cli/zsh_keys.zsh"), path, line);
    const lines = ["tgi gen", "tgi chat --temp", "tgi --backend scr", "tgi models rem"];
    const became = await Promise.all(lines.map(complete));
    deepEqual(became.map((line) => line.trim()), [
      "tgi generate",
      "tgi chat --temperature",
      "tgi --backend scripted",
      "tgi models remove",
    ]);
  },
});

for (const name of ["bash", "zsh", "fish"]) {
  Deno.test(`on a terminal the script for ${name} is the same text as in a pipe`, async () => {
    await using terminal = openTerminal(["completions", name]);
    const { stdout } = await runInPipe(["completions", name]);
    equal(await terminal.ended, 0);
    equal(withoutControls(terminal.bytes()).replaceAll("\r\n", "\n"), stdout);
  });
}

Deno.test("a shell that is not known, or none, is one sentence", async () => {
  const [unknown, none, full] = await Promise.all([
    runInPipe(["completions", "tcsh"]),
    runInPipe(["completions"]),
    runInPipe(["completions", "bash"], { shell: '"$@" > /dev/full' }),
  ]);
  equal(unknown.code, 2);
  match(unknown.stderr, /^error: .*'tcsh'.* Allowed choices are bash, zsh, fish\. See --help\.\n$/);
  equal(none.code, 2);
  match(none.stderr, /^error: Missing required argument 'shell'\. See --help\.\n$/);
  equal(full.code, 1);
  ok(full.stderr.includes("the disk is full"));
});
