import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { linkSnapshot, placeOf } from "./hub_cache.ts";
import { DEFAULT_MODEL, type PinnedModel } from "./pinned_model.ts";
import { listModels, removeModel } from "./stored_models.ts";

const PINNED: PinnedModel = { ...DEFAULT_MODEL, repository: "pinned/one", sha256: "ab" };

async function store(cache: string, repository: string, bytes: number): Promise<void> {
  const place = placeOf(cache, { repository, revision: "main" }, "c0", "model.gguf", "blob");
  await Deno.mkdir(join(place.blob, ".."), { recursive: true });
  await Deno.writeFile(place.blob, new Uint8Array(bytes));
  await linkSnapshot(place, "c0");
}

Deno.test("models of both caches are listed with what they take, links for nothing", async () => {
  await using folder = await scratchFolder();
  const folders = { hub: join(folder.path, "hub"), own: join(folder.path, "own") };
  await store(folders.hub, "owner/name", 1000);
  await Deno.mkdir(join(folders.own, "ab"), { recursive: true });
  await Deno.writeFile(join(folders.own, "ab", "p.gguf"), new Uint8Array(7));
  const models = await listModels(folders, PINNED);
  deepEqual(models.map(({ id, bytes, ggufFiles }) => [id, bytes, ggufFiles]), [
    ["owner/name", 1002, ["model.gguf"]],
    ["pinned/one", 7, ["p.gguf"]],
  ]);
});

Deno.test("a removed model leaves nothing, and others stay", async () => {
  await using folder = await scratchFolder();
  const folders = { hub: join(folder.path, "hub"), own: join(folder.path, "own") };
  await store(folders.hub, "owner/one", 10);
  await store(folders.hub, "owner/two", 20);
  equal(await removeModel(folders, "owner/one", PINNED), 12);
  equal(filesBelow(folder.path).filter((path) => path.includes("one")).length, 0);
  deepEqual((await listModels(folders, PINNED)).map(({ id }) => id), ["owner/two"]);
  equal(await removeModel(folders, "owner/one", PINNED), null);
});

Deno.test("an id that points elsewhere removes nothing", async () => {
  await using folder = await scratchFolder();
  const folders = { hub: join(folder.path, "hub"), own: join(folder.path, "own") };
  await store(folders.hub, "owner/one", 10);
  equal(await removeModel(folders, "../hub", PINNED), null);
  equal(await removeModel(folders, "", PINNED), null);
});

Deno.test("without a cache there are no models", async () => {
  deepEqual(await listModels({ hub: "/nowhere/hub", own: "/dev/null/x" }, PINNED), []);
});
