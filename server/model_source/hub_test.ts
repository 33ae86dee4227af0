import assert from "node:assert/strict";
import { join } from "node:path";
import { type FakeRepository, sha256, startFakeHub } from "../../tests/fakes/hub.ts";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { StartError } from "../errors.ts";
import { fetchFromHub, type HubAccess, HubUnreachable } from "./hub.ts";
import { findSnapshot } from "./hub_cache.ts";

const CONTENT = new Uint8Array(300_000).map((_, index) => index * 31);
const REPOSITORY: FakeRepository = {
  id: "owner/name",
  commit: "a".repeat(40),
  files: { "README.md": new Uint8Array(10), "m.Q4_0.gguf": CONTENT },
};
const MODEL = { repository: "owner/name", revision: "main" };

function access(cache: string, endpoint: string, changes: Partial<HubAccess> = {}): HubAccess {
  return {
    cache,
    endpoint,
    token: null,
    headMillis: 5000,
    signal: new AbortController().signal,
    output: { terminal: false, write: () => {}, now: () => 0 },
    ...changes,
  };
}

Deno.test("a fetched file lies in the standard cache and is found there again", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const fetched = await fetchFromHub(MODEL, null, access(folder.path, hub.endpoint));
  assert.deepEqual(await Deno.readFile(fetched.path), CONTENT);
  assert.equal(fetched.commit, REPOSITORY.commit);
  assert.equal(fetched.reason, "the only .gguf file");
  assert.deepEqual(filesBelow(folder.path), [
    `models--owner--name/blobs/${await sha256(CONTENT)}`,
    "models--owner--name/refs/main",
    `models--owner--name/snapshots/${REPOSITORY.commit}/m.Q4_0.gguf`,
  ]);
  for (const revision of ["main", REPOSITORY.commit]) {
    const snapshot = await findSnapshot(folder.path, { ...MODEL, revision });
    assert.deepEqual(snapshot?.ggufFiles, ["m.Q4_0.gguf"]);
    assert.equal(join(snapshot.folder, "m.Q4_0.gguf"), fetched.path);
  }
  assert.equal(await findSnapshot(folder.path, { ...MODEL, revision: "other" }), null);
});

Deno.test("the token goes to the hub, and only when there is one", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const token = { token: "hf_secret" };
  await fetchFromHub(MODEL, null, access(folder.path, hub.endpoint, token));
  assert.ok(hub.requests.length >= 3);
  assert.ok(hub.requests.every((line) => line.endsWith(" Bearer hf_secret")));
  hub.requests.length = 0;
  await fetchFromHub(MODEL, null, access(folder.path, hub.endpoint));
  assert.ok(hub.requests.every((line) => line.endsWith(" -")));
});

Deno.test("a forged content is refused and not kept", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, forged: CONTENT.toReversed() });
  await assert.rejects(
    fetchFromHub(MODEL, null, access(folder.path, hub.endpoint)),
    /^StartError: Cannot use the fetched [0-9a-f]{64}: its SHA-256 is /,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a repository that is not there is the operator's matter", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const missing = { repository: "owner/other", revision: "main" };
  const error = await fetchFromHub(missing, null, access(folder.path, hub.endpoint))
    .then(() => null, (error) => error);
  assert.ok(error instanceof StartError);
  assert.match(error.message, /^Cannot fetch owner\/other at main: the hub answers 404; check /);
});

Deno.test("a hub that does not answer is unreachable within its time", async () => {
  await using folder = await scratchFolder();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = `http://127.0.0.1:${silent.addr.port}`;
  await assert.rejects(
    fetchFromHub(MODEL, null, access(folder.path, endpoint, { headMillis: 50 })),
    (error: unknown) =>
      error instanceof HubUnreachable && error.message === "no answer within 0.05 s",
  );
  silent.close();
  await assert.rejects(
    fetchFromHub(MODEL, null, access(folder.path, endpoint)),
    (error: unknown) => error instanceof HubUnreachable && /refused/.test(error.message),
  );
});
