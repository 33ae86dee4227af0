import assert from "node:assert/strict";
import { generous } from "../e2e/generous.ts";
import { join } from "node:path";
import { baseEnvironment } from "../cli/environment.ts";
import { runInPipe, startInPipe } from "../cli/pipe.ts";
import { command, type Ended, ROOT, runToEnd } from "../e2e/server.ts";
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
  revisions: { v2: { commit: "d".repeat(40), files: { "model.gguf": new Uint8Array(99) } } },
};

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

/** Runs a command with the given rights to write alone. */
async function withRights(
  rights: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const reading = ["--no-prompt", "--allow-read", "--allow-net", "--allow-env", "--allow-sys"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...reading, ...rights, "main.ts", ...args],
    cwd: ROOT,
    env: { ...baseEnvironment(), ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function readOnly(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return withRights([], args, env);
}

/** Bytes of the part that has come. */
async function partBytes(cache: string): Promise<number> {
  const part = filesBelow(cache).find((path) => path.endsWith(".incomplete"));
  return part === undefined ? 0 : (await Deno.stat(join(cache, part))).size;
}

function pause(millis: number): Promise<void> {
  return new Promise((done) => setTimeout(done, millis));
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

/** What a cache holds, but its locks. */
function stored(cache: string): string[] {
  return filesBelow(cache).filter((path) => !path.startsWith(".locks/"));
}

Deno.test("a download that stays cut is one sentence; the next start goes on from there", async () => {
  await using folder = await scratchFolder();
  {
    const fault = ({ from }: { from: number }) => ({ cutAfter: from === 0 ? 5_000_000 : 0 });
    await using hub = startFakeHub({ ...REPOSITORY, fault });
    assert.match(
      await fetchByServer(hub.endpoint, folder.path),
      /^Cannot fetch model\.gguf: it was cut at byte 5000000 of 25165824 \(.+\); what has come is kept/,
    );
  }
  assert.match(
    stored(folder.path).join(),
    /^models--owner--name\/blobs\/[0-9a-f]{64}\.incomplete$/,
  );
  await using hub = startFakeHub(REPOSITORY);
  await fetchByServer(hub.endpoint, folder.path);
  assert.match(hub.storageRequests.join(), / bytes=5000000-25165823$/);
  const [, snapshot = ""] = stored(folder.path).filter((path) => !path.includes("/refs/"));
  assert.deepEqual(await Deno.readFile(join(folder.path, snapshot)), CONTENT);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`${signal} during a download keeps what has come, and the next start goes on`, async () => {
    await using folder = await scratchFolder();
    {
      const fault = () => ({ cutAfter: 5_000_000, stalls: true } as const);
      await using hub = startFakeHub({ ...REPOSITORY, fault });
      const child = command(["--model-id", "owner/name", "--port", "0"], {
        env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path },
      }).spawn();
      while (await partBytes(folder.path) < 5_000_000) await pause(10);
      child.kill(signal);
      const { code, stderr } = await generous(child.output(), "the program's end");
      if (signal === "SIGTERM") {
        assert.equal(code, 0);
        assert.match(new TextDecoder().decode(stderr), /INFO Stopped before serving\n$/);
      }
    }
    await using hub = startFakeHub(REPOSITORY);
    await fetchByServer(hub.endpoint, folder.path);
    assert.match(hub.storageRequests.join(), / bytes=5000000-25165823$/);
    assert.ok(!stored(folder.path).some((path) => path.endsWith(".incomplete")));
  });
}

Deno.test("two processes that fetch the same model at once share one download", async () => {
  await using folder = await scratchFolder();
  const fault = () => ({ pace: { bytes: 2_000_000, millis: 100 } });
  await using hub = startFakeHub({ ...REPOSITORY, fault });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path };
  const runs = await Promise.all(
    [1, 2, 3].map(() => runInPipe(["models", "fetch", "owner/name"], { env })),
  );
  for (const { code, stdout, stderr } of runs) {
    assert.equal(code, 0, stderr);
    assert.deepEqual(await Deno.readFile(stdout.trim()), CONTENT);
  }
  assert.equal(hub.storageRequests.length, 1);
});

Deno.test("a process that waits for another goes on when that one is killed", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt }: { attempt: number }) =>
    attempt === 0 ? { cutAfter: 5_000_000, stalls: true } as const : null;
  await using hub = startFakeHub({ ...REPOSITORY, fault });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path };
  const first = startInPipe(["models", "fetch", "owner/name"], env);
  while (await partBytes(folder.path) < 5_000_000) await pause(10);
  const second = startInPipe(["models", "fetch", "owner/name"], env);
  const waits = Promise.withResolvers<void>();
  const reading = (async () => {
    let log = "";
    for await (const text of second.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      if (log.includes("Another process fetches model.gguf; waiting for it")) waits.resolve();
    }
  })();
  await generous(waits.promise, "the wait");
  first.kill("SIGKILL");
  await Promise.all([first.output(), first.stdin.close().catch(() => {})]);
  const [{ code }, stdout] = await Promise.all([
    generous(second.status, "the second process's end"),
    new Response(second.stdout).text(),
    reading,
    second.stdin.close().catch(() => {}),
  ]);
  assert.equal(code, 0);
  assert.deepEqual(await Deno.readFile(stdout.trim()), CONTENT);
  assert.match(hub.storageRequests.join(), / bytes=5000000-25165823$/);
});

Deno.test("a cache that may only be read serves what it holds", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path };
  const fetched = await runInPipe(["models", "fetch", "owner/name"], { env });
  const { code, stdout, stderr } = await readOnly(["models", "fetch", "owner/name"], env);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, fetched.stdout);
  const other = await readOnly(["models", "fetch", "owner/name", "--revision", "v2"], env);
  assert.equal(other.code, 3);
  assert.match(
    other.stderr,
    /^error: Cannot store models in \S+: this user may not write there; /m,
  );
});

Deno.test("where there are no links the files themselves lie in the snapshot", async () => {
  await using folder = await scratchFolder();
  const same = new TextEncoder().encode("{}");
  const files = { "config.json": same, "tokenizer.json": same, "model.safetensors": CONTENT };
  await using hub = startFakeHub({ ...REPOSITORY, files });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: folder.path };
  // Deno makes links only for those who may write everywhere.
  const rights = [`--allow-write=${folder.path}`];
  for (const _ of [1, 2]) {
    const { code, stdout, stderr } = await withRights(
      rights,
      ["models", "fetch", "owner/name"],
      env,
    );
    assert.equal(code, 0, stderr);
    for (const [name, content] of Object.entries(files)) {
      const path = join(stdout.trim(), name);
      assert.ok(!(await Deno.lstat(path)).isSymlink);
      assert.deepEqual(await Deno.readFile(path), content, name);
    }
  }
  assert.equal(hub.storageRequests.length, 1);
  assert.ok(!stored(folder.path).some((path) => path.includes("/blobs/")));
});

Deno.test("a full disk under a download from the hub is one sentence and leaves no file", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  assert.match(
    await fetchByServer(hub.endpoint, folder.path, SMALL_DISK),
    /^Cannot store \S+ in \S+: the disk is full; free 26 MB or set XDG_CACHE_HOME /,
  );
  assert.deepEqual(stored(folder.path), []);
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
      join(ROOT, "tests/faults/fetch_program.ts"),
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
