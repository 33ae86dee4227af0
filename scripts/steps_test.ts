import { equal } from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { scratchFolder } from "../tests/fakes/scratch.ts";
import { ROOT } from "./steps.ts";

Deno.test("the project may lie in a folder with any name", async () => {
  await using folder = await scratchFolder();
  const scripts = join(folder.path, "my 100% ü", "scripts");
  await Deno.mkdir(scripts, { recursive: true });
  await Deno.copyFile(join(ROOT, "scripts/steps.ts"), join(scripts, "steps.ts"));
  const steps = await import(pathToFileURL(join(scripts, "steps.ts")).href);
  equal(steps.ROOT, join(folder.path, "my 100% ü", "/"));
});
