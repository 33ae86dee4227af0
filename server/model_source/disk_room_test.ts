import { match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { StartError } from "../errors.ts";
import { checkRoom } from "./disk_room.ts";

Deno.test("a model that is larger than the disk is refused before it is fetched", async () => {
  await using folder = await scratchFolder();
  const partial = join(folder.path, "none");
  await checkRoom(folder.path, [{ bytes: 1000, partial }]);
  await rejects(
    checkRoom(folder.path, [{ bytes: 1e15, partial }, { bytes: 1, partial }]),
    (error) => {
      match(
        error instanceof StartError ? error.message : "",
        /^Cannot store 2 files in \S+: the disk is full; free 1000000001 MB or set XDG_CACHE_HOME /,
      );
      return true;
    },
  );
});

Deno.test("what has come before is not needed again", async () => {
  await using folder = await scratchFolder();
  const partial = join(folder.path, "part");
  using file = await Deno.open(partial, { create: true, write: true });
  await file.truncate(1e12); // Takes nothing: it is a hole.
  await checkRoom(folder.path, [{ bytes: 1e12 + 1000, partial }]);
});

Deno.test("where the system does not tell, nothing is refused", async () => {
  await checkRoom("/nowhere/at/all", [{ bytes: 1e15, partial: "/nowhere/part" }]);
});
