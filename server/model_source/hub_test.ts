import assert from "node:assert/strict";
import { join } from "node:path";
import { etagOf, type FakeRepository, startFakeHub } from "../../tests/fakes/hub.ts";
import { hubAccess } from "../../tests/fakes/hub_access.ts";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { StartError } from "../errors.ts";
import { fetchFromHub } from "./hub.ts";
import { findSnapshot } from "./hub_cache.ts";
import { HubUnreachable } from "./hub_fetch.ts";
import type { HubReference } from "./model_id.ts";

const CONTENT = new Uint8Array(300_000).map((_, index) => index * 31);
const REPOSITORY: FakeRepository = {
  id: "owner/name",
  commit: "a".repeat(40),
  files: { "README.md": new Uint8Array(10), "m.Q4_0.gguf": CONTENT },
};
const MODEL = { repository: "owner/name", revision: "main" };
const ANY: HubReference = { model: MODEL, wanted: { file: null, quantization: null } };

function texts(files: Readonly<Record<string, string>>) {
  const encoder = new TextEncoder();
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, encoder.encode(text)]),
  );
}

const SHARDED = {
  ...texts({
    "config.json": '{"model_type": "llama"}',
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
    "chat_template.jinja": "{{ messages }}",
    "model.safetensors.index.json": JSON.stringify({
      weight_map: {
        a: "model-00001-of-00002.safetensors",
        b: "model-00002-of-00002.safetensors",
        c: "model-00002-of-00002.safetensors",
      },
    }),
    "modeling_custom.py": "raise SystemExit",
    "pytorch_model.bin": "pickle",
    "consolidated.safetensors": "again",
    "README.md": "words",
  }),
  "model-00001-of-00002.safetensors": CONTENT,
  "model-00002-of-00002.safetensors": CONTENT.toReversed(),
};

/** Files of a cache, but the locks. */
function stored(cache: string): string[] {
  return filesBelow(cache).filter((path) => !path.startsWith(".locks/"));
}

Deno.test("a fetched file lies in the standard cache and is found there again", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const fetched = await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint));
  assert.deepEqual(await Deno.readFile(fetched.path), CONTENT);
  assert.equal(fetched.commit, REPOSITORY.commit);
  assert.equal(fetched.reason, "the only .gguf file");
  assert.deepEqual(stored(folder.path), [
    `models--owner--name/blobs/${etagOf("m.gguf", CONTENT)}`,
    "models--owner--name/refs/main",
    `models--owner--name/snapshots/${REPOSITORY.commit}/m.Q4_0.gguf`,
  ]);
  for (const revision of ["main", REPOSITORY.commit]) {
    const snapshot = await findSnapshot(folder.path, { ...MODEL, revision });
    assert.deepEqual(snapshot?.files, ["m.Q4_0.gguf"]);
    assert.equal(join(snapshot.folder, "m.Q4_0.gguf"), fetched.path);
  }
  assert.equal(await findSnapshot(folder.path, { ...MODEL, revision: "other" }), null);
});

Deno.test("a .gguf model in pieces comes with all of them, and is found in the cache", async () => {
  await using folder = await scratchFolder();
  const pieces = {
    "Q8_0/m-Q8_0-00001-of-00003.gguf": CONTENT.slice(9),
    "Q8_0/m-Q8_0-00002-of-00003.gguf": CONTENT,
    "Q8_0/m-Q8_0-00003-of-00003.gguf": CONTENT.toReversed(),
  };
  const files = { ...pieces, "m-Q4_0-00001-of-00002.gguf": CONTENT };
  await using hub = startFakeHub({ ...REPOSITORY, files });
  const wanted = { file: null, quantization: "Q8_0" };
  const fetched = await fetchFromHub({ ...ANY, wanted }, hubAccess(folder.path, hub.endpoint));
  assert.ok(fetched.path.endsWith("/Q8_0/m-Q8_0-00001-of-00003.gguf"));
  assert.equal(fetched.reason, "Q8_0, as --model-id asks, 3 files");
  const snapshot = await findSnapshot(folder.path, MODEL);
  assert.deepEqual(snapshot?.files.toSorted(), Object.keys(pieces));
  for (const [name, content] of Object.entries(pieces)) {
    assert.deepEqual(await Deno.readFile(join(snapshot?.folder ?? "", name)), content);
  }
});

Deno.test("a safetensors model comes with its shards, tokenizer and template, and no code", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, files: SHARDED });
  const fetched = await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint));
  assert.equal(fetched.reason, "its safetensors weights");
  assert.deepEqual(filesBelow(fetched.path), [
    "chat_template.jinja",
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  for (const name of filesBelow(fetched.path)) {
    const expected = SHARDED[name as keyof typeof SHARDED];
    assert.deepEqual(await Deno.readFile(join(fetched.path, name)), expected, name);
  }
});

Deno.test("what the cache has is not fetched again, and a new commit shares it", async () => {
  await using folder = await scratchFolder();
  const later = {
    commit: "d".repeat(40),
    files: { ...SHARDED, ...texts({ "config.json": "{}" }) },
  };
  await using hub = startFakeHub({ ...REPOSITORY, files: SHARDED, revisions: { v2: later } });
  const access = hubAccess(folder.path, hub.endpoint);
  await fetchFromHub(ANY, access);
  hub.storageRequests.length = 0;
  const fetched = await fetchFromHub({ ...ANY, model: { ...MODEL, revision: "v2" } }, access);
  assert.deepEqual(hub.storageRequests, []);
  assert.equal(await Deno.readTextFile(join(fetched.path, "config.json")), "{}");
  const blobs = stored(folder.path).filter((path) => path.includes("/blobs/"));
  // Three of the files are `{}`.
  assert.equal(blobs.length, 6);
});

Deno.test("the token goes to the hub alone, not to where it sends us", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const token = { secret: "hf_secret", source: "HF_TOKEN" };
  await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint, { token }));
  assert.ok(hub.requests.length >= 3);
  assert.ok(hub.requests.every((line) => line.endsWith(" Bearer hf_secret")));
  assert.equal(hub.storageRequests.length, 1);
  assert.ok(hub.storageRequests.every((line) => line.endsWith(" - -")), hub.storageRequests[0]);
});

Deno.test("without a token none is sent", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint));
  assert.ok(hub.requests.every((line) => line.endsWith(" -")));
});

Deno.test("a mirror that tells hashes in heads alone will do", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, files: SHARDED, isMirror: true });
  const token = { secret: "hf_secret", source: "HF_TOKEN" };
  const { path } = await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint, { token }));
  assert.equal(filesBelow(path).length, 7);
  assert.ok(hub.storageRequests.every((line) => line.split(" ")[2] === "-"));
  assert.ok(hub.storageRequests.every((line) => line.startsWith("GET ")));
});

Deno.test("a hub that is busy is asked again", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, busy: { status: 503, times: 1 } });
  const { path } = await fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint));
  assert.deepEqual(await Deno.readFile(path), CONTENT);
});

Deno.test("a hub that does not answer is unreachable within its time", async () => {
  await using folder = await scratchFolder();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = `http://127.0.0.1:${silent.addr.port}`;
  await assert.rejects(
    fetchFromHub(ANY, hubAccess(folder.path, endpoint, { headMillis: 50 })),
    (error: unknown) =>
      error instanceof HubUnreachable && error.message === "no answer within 0.05 s",
  );
  silent.close();
  await assert.rejects(
    fetchFromHub(ANY, hubAccess(folder.path, endpoint)),
    (error: unknown) => error instanceof HubUnreachable && /refused/.test(error.message),
  );
});

Deno.test("pickles are refused in one sentence, and nothing is fetched", async () => {
  await using folder = await scratchFolder();
  const files = texts({ "config.json": "{}", "pytorch_model.bin": "pickle" });
  await using hub = startFakeHub({ ...REPOSITORY, files });
  await assert.rejects(
    fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint)),
    (error: unknown) =>
      error instanceof StartError &&
      /^Cannot serve owner\/name: its weights are pickles \(pytorch_model\.bin\)/.test(
        error.message,
      ),
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

const HOSTILE: readonly [string, Readonly<Record<string, string>>][] = [
  ["an index that names files elsewhere", {
    "model.safetensors.index.json": '{"weight_map": {"a": "../../../etc/a.safetensors"}}',
  }],
  ["an index that is none", { "model.safetensors.index.json": "[]" }],
  ["an index that names pickles", {
    "model.safetensors.index.json": '{"weight_map": {"a": "pytorch_model.bin"}}',
  }],
];

for (const [what, files] of HOSTILE) {
  Deno.test(`${what} is refused`, async () => {
    await using folder = await scratchFolder();
    const all = texts({ "config.json": "{}", "tokenizer.json": "{}", ...files });
    await using hub = startFakeHub({ ...REPOSITORY, files: all });
    await assert.rejects(
      fetchFromHub(ANY, hubAccess(folder.path, hub.endpoint)),
      /^StartError: Cannot serve owner\/name: its model\.safetensors\.index\.json names no /,
    );
  });
}
