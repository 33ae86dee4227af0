import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { linkIntoSnapshot, noteRevision, placeOf } from "./hub_cache.ts";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";
import { listModels, removeModel } from "./stored_models.ts";

const PINNED: PinnedModel = { ...DEFAULT_MODEL, repository: "pinned/one", sha256: "ab" };

interface Stored {
  readonly revision?: string;
  readonly commit?: string;
  /** Sizes by path; the size is also what names the content. */
  readonly files: Readonly<Record<string, number>>;
}

async function store(cache: string, repository: string, stored: Stored): Promise<void> {
  const { revision = "main", commit = "c0", files } = stored;
  for (const [path, bytes] of Object.entries(files)) {
    const place = placeOf(cache, repository, commit, { path, etag: `blob${bytes}` });
    await Deno.mkdir(join(place.blob, ".."), { recursive: true });
    await Deno.writeFile(place.blob, new Uint8Array(bytes));
    await linkIntoSnapshot(place);
  }
  await noteRevision(cache, { repository, revision }, commit);
}

function foldersIn(path: string) {
  return { hub: join(path, "hub"), own: join(path, "own") };
}

Deno.test("models of both caches are listed with what they take, links for nothing", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  await store(folders.hub, "owner/name", { files: { "model.gguf": 1000 } });
  await Deno.mkdir(join(folders.own, "ab"), { recursive: true });
  await Deno.writeFile(join(folders.own, "ab", "p.gguf"), new Uint8Array(7));
  const models = await listModels(folders, PINNED);
  deepEqual(
    models.map(({ id, bytes, revisions }) => [id, bytes, revisions[0]?.ggufFiles]),
    [["owner/name", 1002, ["model.gguf"]], ["pinned/one", 7, ["p.gguf"]]],
  );
});

Deno.test("each commit is listed with its names and files", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  const files = { "config.json": 3, "tokenizer.json": 5, "model.safetensors": 900 };
  await store(folders.hub, "owner/name", { files });
  await store(folders.hub, "owner/name", { revision: "refs/pr/1", files });
  await store(folders.hub, "owner/name", { revision: "v2", commit: "c2", files: { "a.gguf": 40 } });
  const [model] = await listModels(folders, PINNED);
  deepEqual(
    model?.revisions.map(({ commit, names, bytes, ggufFiles, safetensorsFiles }) => ({
      commit,
      names,
      bytes,
      ggufFiles,
      safetensorsFiles,
    })),
    [
      {
        commit: "c0",
        names: ["main", "refs/pr/1"],
        bytes: 908,
        ggufFiles: [],
        safetensorsFiles: ["model.safetensors"],
      },
      { commit: "c2", names: ["v2"], bytes: 40, ggufFiles: ["a.gguf"], safetensorsFiles: [] },
    ],
  );
});

Deno.test("what has come of a cut download is listed", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  const { blob } = placeOf(folders.hub, "owner/name", "c0", { path: "a.gguf", etag: "e" });
  await Deno.mkdir(join(blob, ".."), { recursive: true });
  await Deno.writeFile(`${blob}.incomplete`, new Uint8Array(30));
  const [model] = await listModels(folders, PINNED);
  deepEqual([model?.incompleteBytes, model?.revisions], [30, []]);
  equal(await removeModel(folders, "owner/name", null, PINNED), 30);
  deepEqual(filesBelow(folders.hub), []);
});

Deno.test("a removed model leaves nothing, and others stay", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  await store(folders.hub, "owner/one", { files: { "model.gguf": 10 } });
  await store(folders.hub, "owner/two", { files: { "model.gguf": 20 } });
  equal(await removeModel(folders, "owner/one", null, PINNED), 12);
  equal(filesBelow(folder.path).filter((path) => path.includes("one")).length, 0);
  deepEqual((await listModels(folders, PINNED)).map(({ id }) => id), ["owner/two"]);
  equal(await removeModel(folders, "owner/one", null, PINNED), null);
});

Deno.test("a removed revision frees what no other needs", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  await store(folders.hub, "owner/one", { files: { "a.gguf": 100, "shared.gguf": 7 } });
  const v2 = { revision: "v2", commit: "c2", files: { "b.gguf": 50, "shared.gguf": 7 } };
  await store(folders.hub, "owner/one", v2);
  equal(await removeModel(folders, "owner/one", "v9", PINNED), null);
  equal(await removeModel(folders, "owner/one", "main", PINNED), 102);
  const [left] = await listModels(folders, PINNED);
  deepEqual(left?.revisions.map(({ names, bytes }) => [names, bytes]), [[["v2"], 57]]);
  equal(await removeModel(folders, "owner/one", "c2", PINNED), 59);
  deepEqual(filesBelow(folders.hub), []);
});

Deno.test("an id that points elsewhere removes nothing", async () => {
  await using folder = await scratchFolder();
  const folders = foldersIn(folder.path);
  await store(folders.hub, "owner/one", { files: { "model.gguf": 10 } });
  equal(await removeModel(folders, "../hub", null, PINNED), null);
  equal(await removeModel(folders, "", null, PINNED), null);
});

Deno.test("without a cache there are no models", async () => {
  deepEqual(await listModels({ hub: "/nowhere/hub", own: "/dev/null/x" }, PINNED), []);
});
