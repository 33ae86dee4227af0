import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { startFakeHub } from "../fakes/hub.ts";
import { filesBelow, scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { Key, openTerminal } from "./terminal.ts";

const REPOSITORY = {
  id: "owner/name",
  commit: "c".repeat(40),
  files: { "model.gguf": new Uint8Array(3_000_000).fill(7) },
};

function environment(folder: string, endpoint: string) {
  return { HF_ENDPOINT: endpoint, HF_HUB_CACHE: join(folder, "hub"), XDG_CACHE_HOME: folder };
}

Deno.test("a model is fetched, listed and removed", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const env = environment(folder.path, hub.endpoint);
  const none = await runInPipe(["models"], { env });
  equal(none.stdout, "");
  match(none.stderr, /^No models in \S+\/hub; tgi models fetch gets the default one\.\n$/);
  const fetched = await runInPipe(["models", "fetch", "owner/name"], { env });
  equal(fetched.code, 0, fetched.stderr);
  match(fetched.stdout, /^\/\S+\/snapshots\/c{40}\/model\.gguf\n$/);
  match(fetched.stderr, /3\.0 of 3\.0 MB, [\d.]+ MB\/s, 0 s left\n/);
  const listed = await runInPipe(["models", "list"], { env });
  equal(listed.stdout, "owner/name  main cccccccc     3.0 MB  model.gguf\n");
  equal(listed.stderr, "3.0 MB in all\n");
  const json = await runInPipe(["models", "--json"], { env });
  deepEqual(JSON.parse(json.stdout)[0].revisions[0].ggufFiles, ["model.gguf"]);
  const removed = await runInPipe(["models", "remove", "owner/name"], { env });
  equal(removed.stderr, "Removed owner/name: 3.0 MB are free again.\n");
  deepEqual(filesBelow(folder.path), []);
});

Deno.test("a terminal sees a bar with rate and time left", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const env = environment(folder.path, hub.endpoint);
  await using terminal = openTerminal(["models", "fetch", "owner/name"], env);
  equal(await terminal.ended, 0, terminal.bytes());
  const bar = terminal.screen().find((line) => line.startsWith("["));
  match(bar ?? "", /^\[#{28}\] .*model\.gguf 3\.0 of 3\.0 MB, [\d.]+ MB\/s, 0 s left$/);
});

Deno.test("--quiet fetches without a word but the path", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const env = environment(folder.path, hub.endpoint);
  const { stdout, stderr } = await runInPipe(["models", "fetch", "owner/name", "--quiet"], { env });
  match(stdout, /model\.gguf\n$/);
  equal(stderr, "");
});

Deno.test("a cut download is one sentence, is listed, and is gone on from", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt, from }: { attempt: number; from: number }) =>
    attempt > 5 ? null : { cutAfter: from === 0 ? 1_000_000 : 0 };
  await using hub = startFakeHub({ ...REPOSITORY, fault });
  const env = environment(folder.path, hub.endpoint);
  const { code, stdout, stderr } = await runInPipe(["models", "fetch", "owner/name"], { env });
  equal(code, 3);
  equal(stdout, "");
  match(
    stderr,
    /error: Cannot fetch model\.gguf: it was cut at byte 1000000 of 3000000 \(.+\); what has come/,
  );
  const listed = await runInPipe(["models"], { env });
  equal(listed.stdout, "owner/name       1.0 MB  incomplete; tgi models fetch goes on\n");
  const again = await runInPipe(["models", "fetch", "owner/name"], { env });
  equal(again.code, 0, again.stderr);
  match(hub.storageRequests.at(-1) ?? "", / bytes=1000000-2999999$/);
});

Deno.test("a fetch asks for what is new; one revision is removed alone", async () => {
  await using folder = await scratchFolder();
  const files = {
    "model.gguf": REPOSITORY.files["model.gguf"],
    "b.Q8_0.gguf": new Uint8Array(500),
  };
  const v2 = { commit: "d".repeat(40), files };
  const env = { HF_HUB_CACHE: join(folder.path, "hub"), XDG_CACHE_HOME: folder.path };
  {
    await using hub = startFakeHub({ ...REPOSITORY, revisions: { v2 } });
    const all = { ...env, HF_ENDPOINT: hub.endpoint };
    await runInPipe(["models", "fetch", "owner/name"], { env: all });
    const wanted = ["owner/name:Q8_0", "--revision", "v2"];
    const fetched = await runInPipe(["models", "fetch", ...wanted], { env: all });
    match(fetched.stdout, /\/snapshots\/d{40}\/b\.Q8_0\.gguf\n$/, fetched.stderr);
    const removed = await runInPipe(["models", "remove", "owner/name", "--revision", "v2"], {
      env,
    });
    match(removed.stderr, /^Removed owner\/name: 0\.0 MB are free again\.\n$/);
  }
  await using moved = startFakeHub({ ...REPOSITORY, commit: "e".repeat(40) });
  const all = { ...env, HF_ENDPOINT: moved.endpoint };
  const gone = { ...env, HF_ENDPOINT: "http://127.0.0.1:1" };
  const kept = await runInPipe(["models", "fetch", "owner/name"], { env: gone });
  match(kept.stdout, /\/snapshots\/c{40}\/model\.gguf\n$/, kept.stderr);
  match(kept.stderr, /^warning: The hub is not asked for changes of owner\/name \(/m);
  const { stdout } = await runInPipe(["models", "fetch", "owner/name"], { env: all });
  match(stdout, /\/snapshots\/e{40}\/model\.gguf\n$/);
  equal(moved.storageRequests.length, 0);
});

for (const command of [["models", "fetch", "owner/name"], ["plan"], ["generate", "Hi"], ["chat"]]) {
  Deno.test(`Ctrl-C during a download ends ${command[0]} and keeps no file but the part`, async () => {
    await using folder = await scratchFolder();
    const fault = () => ({ cutAfter: 1_000_000, stalls: true } as const);
    await using hub = startFakeHub({ ...REPOSITORY, fault });
    const env = { ...environment(folder.path, hub.endpoint) };
    const model = command[0] === "models" ? {} : { MODEL_ID: "owner/name" };
    await using terminal = openTerminal(command, { ...env, ...model });
    await terminal.shows(/\d\.\d of 3\.0 MB/);
    await terminal.press(Key.ctrlC);
    equal(await terminal.ended, 130, terminal.bytes());
    match(
      filesBelow(join(folder.path, "hub", "models--owner--name")).join(),
      /^blobs\/\w+\.inc\w+$/,
    );
  });
}

Deno.test("a cache that cannot be written is one sentence", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const file = join(folder.path, "file");
  await Deno.writeTextFile(file, "");
  const env = environment(file, hub.endpoint);
  const runs = await Promise.all([
    runInPipe(["models", "fetch", "owner/name"], { env }),
    runInPipe(["models", "fetch"], { env: { ...env, HF_HUB_OFFLINE: "1" } }),
  ]);
  for (const { code, stderr } of runs) {
    equal(code, 3, stderr);
    match(stderr, /error: Cannot store models in \/\S+: .*; set HF_HOME and XDG_CACHE_HOME to/);
    ok(!/^\s+at /m.test(stderr));
  }
});

Deno.test("what is not there cannot be removed", async () => {
  await using folder = await scratchFolder();
  const env = environment(folder.path, "http://127.0.0.1:1");
  const missing = await runInPipe(["models", "remove", "no/model"], { env });
  equal(missing.code, 3);
  equal(
    missing.stderr,
    "error: Cannot remove no/model: it is not on this disk; tgi models lists what is.\n",
  );
  equal((await runInPipe(["models", "remove"], { env })).code, 2);
});
