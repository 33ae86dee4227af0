import { deepEqual, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { makeStagingFolder } from "./staging_folder.ts";

Deno.test("a staging folder is gone when it is disposed of", async () => {
  await using folder = await scratchFolder();
  {
    await using staging = await makeStagingFolder(folder.path);
    match(staging.path, /\/\.fetch-\w+$/);
    await Deno.writeTextFile(join(staging.path, "part"), "1");
  }
  deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("what a killed process left is removed, what another uses stays", async () => {
  await using folder = await scratchFolder();
  await using used = await makeStagingFolder(folder.path);
  const killed = join(folder.path, ".fetch-killed");
  const ancient = join(folder.path, ".fetch-ancient");
  const young = join(folder.path, ".fetch-young");
  for (const path of [killed, ancient, young]) await Deno.mkdir(path);
  await Deno.writeTextFile(join(killed, ".lock"), "");
  await Deno.utime(ancient, 0, 0);
  await Deno.writeTextFile(join(folder.path, "model.gguf"), "whole");
  await using other = await makeStagingFolder(folder.path);
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => join(folder.path, name)).sort();
  deepEqual(left, [used.path, other.path, young, join(folder.path, "model.gguf")].sort());
  ok(filesBelow(used.path).includes(".lock"));
});
