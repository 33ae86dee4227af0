import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../e2e/server.ts";
import { startFakeHub } from "../fakes/hub.ts";
import { filesBelow, scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { Key, openTerminal } from "./terminal.ts";

const MODEL = join(ROOT, "tests/fixtures/tiny-llama.gguf");

Deno.test("a start says first what it is, then its memory, and last its address", async () => {
  await using terminal = openTerminal(["--model-id", MODEL, "--port", "0"]);
  await terminal.shows(/on http:\/\/127\.0\.0\.1:\d+\r\n/);
  const lines = terminal.screen().filter(Boolean).map((line) => line.replace(/^\S+ +INFO /, ""));
  match(lines[0] ?? "", /^text-generation-inference server \d+\.\d+\.\d+, Deno /);
  ok(lines.some((line) => line.startsWith("Memory: weights ")));
  match(lines.at(-1) ?? "", /^Serving \S+ on http:/);
  await terminal.press(Key.ctrlC);
  equal(await terminal.ended, 0);
  match(terminal.screen().join("\n"), /INFO Stopped; every request was answered/);
});

Deno.test("serve can be named, and --quiet leaves warnings and errors alone", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ id: "owner/name", commit: "c".repeat(40), files: {} });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path };
  const { code, stderr } = await runInPipe(
    ["serve", "--quiet", "--sharded", "false", "--model-id", "owner/name", "--port", "0"],
    { env },
  );
  equal(code, 3);
  const lines = stderr.trimEnd().split("\n");
  equal(lines.length, 2, stderr);
  match(lines[0] ?? "", /WARN --sharded has no effect here/);
  match(lines[1] ?? "", /ERROR /);
});

Deno.test("--json-output gives no bar even on a terminal, and Ctrl-C ends a fetch", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({
    id: "owner/name",
    commit: "c".repeat(40),
    files: { "model.gguf": new Uint8Array(3_000_000) },
    fault: () => ({ cutAfter: 2_000_000, stalls: true }),
  });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder.path, "hub") };
  const args = ["--json-output", "--model-id", "owner/name", "--port", "0"];
  await using terminal = openTerminal(args, env);
  await terminal.shows(/"message":"model\.gguf \d\.\d of 3\.0 MB/);
  await terminal.press(Key.ctrlC);
  equal(await terminal.ended, 0);
  ok(!terminal.bytes().includes("[####"));
  const logged = terminal.screen().map((line) => line.replace("^C", "")).filter((line) =>
    line.startsWith("{")
  );
  for (const line of logged) ok(JSON.parse(line).message);
  const stored = filesBelow(join(folder.path, "hub", "models--owner--name"));
  match(stored.join(), /^blobs\/\w+\.incomplete$/);
});
