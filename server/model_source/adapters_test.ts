import assert from "node:assert/strict";
import { join } from "node:path";
import { type FakeRepository, startFakeHub } from "../../tests/fakes/hub.ts";
import { modelRequest, modelTools, NO_HUB } from "../../tests/fakes/model_search.ts";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { StartError } from "../errors.ts";
import { readAdapterNames } from "../options/adapters.ts";
import { resolveAdapters } from "./adapters.ts";

const BYTES = new Uint8Array(1000).map((_, index) => index * 7);
const REPOSITORY: FakeRepository = {
  id: "owner/adapter",
  commit: "c".repeat(40),
  files: {
    "README.md": new Uint8Array(10),
    "adapter_config.json": new TextEncoder().encode("{}"),
    "adapter_model.safetensors": BYTES,
  },
};

function find(list: string, folder: string, endpoint = NO_HUB, hfHubOffline = false) {
  const request = modelRequest({ hfHubOffline });
  return resolveAdapters(readAdapterNames(list), request, modelTools(folder, endpoint));
}

async function refusal(...args: Parameters<typeof find>): Promise<string> {
  const error = await find(...args).then(() => null, (error) => error);
  assert.ok(error instanceof StartError);
  assert.equal(error.exitCode, 3);
  return error.message;
}

Deno.test("a folder is taken as it is", async () => {
  await using folder = await scratchFolder();
  const found = await find(`a=${folder.path},b=${folder.path}@v1`, folder.path);
  assert.deepEqual(found, [{ id: "a", path: folder.path }, { id: "b", path: folder.path }]);
});

Deno.test("an adapter of the hub is fetched once, with what the core reads alone", async () => {
  await using folder = await scratchFolder();
  const fetched = await (async () => {
    await using hub = startFakeHub(REPOSITORY);
    return await find("polite=owner/adapter@main", folder.path, hub.endpoint);
  })();
  const path = fetched[0]?.path ?? "";
  assert.deepEqual(await Deno.readFile(join(path, "adapter_model.safetensors")), BYTES);
  const names = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["adapter_config.json", "adapter_model.safetensors"]);
  assert.deepEqual(await find("polite=owner/adapter", folder.path), fetched, "from the cache");
});

Deno.test("what cannot be had is refused in one sentence", async () => {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, files: { "README.md": BYTES } });
  assert.match(await refusal("a=./nowhere", folder.path), /adapter a: there is no folder/);
  assert.match(await refusal("a=o/a", folder.path), /fetch the adapter a from the hub: .*network/);
  assert.match(
    await refusal("o/a", folder.path, NO_HUB, true),
    /hub: HF_HUB_OFFLINE is set; unset it, or name a /,
  );
  assert.match(
    await refusal("owner/adapter", folder.path, hub.endpoint),
    /owner\/adapter: it lacks adapter_config.json and adapter_model.safetensors/,
  );
});
