import assert from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { runQuietly } from "../packaging/quiet.ts";
import { pack, writeSums } from "./archive.ts";

Deno.test("an archive has its files in one folder, and its bytes depend on them alone", async () => {
  await using folder = await scratchFolder();
  const files = ["tgi", "LICENSE"].map((name) => join(folder.path, name));
  for (const file of files) await Deno.writeTextFile(file, `content of ${file}`);
  const archive = await pack(folder.path, "tgi-1.2.3", files, 1_700_000_000);
  const first = await Deno.readFile(archive);
  await Deno.utime(files[0] ?? "", 1, 1);
  await pack(folder.path, "tgi-1.2.3", files, 1_700_000_000);
  assert.deepEqual(await Deno.readFile(archive), first);
  const { stdout } = await runQuietly({ program: "tar", args: ["--list", "--file", archive] });
  assert.deepEqual(stdout.trim().split("\n"), [
    "tgi-1.2.3/",
    "tgi-1.2.3/LICENSE",
    "tgi-1.2.3/tgi",
  ]);
});

Deno.test("sums are what sha256sum checks", async () => {
  await using folder = await scratchFolder();
  const file = join(folder.path, "a file");
  await Deno.writeTextFile(file, "content");
  const sums = await writeSums([file]);
  const check = () =>
    runQuietly({ program: "sha256sum", args: ["--check", "--strict", sums] }, folder.path);
  assert.ok((await check()).success);
  await Deno.writeTextFile(file, "other content");
  assert.ok(!(await check()).success);
});
