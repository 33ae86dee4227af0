import assert from "node:assert/strict";
import { compileExecutables } from "../../scripts/compile.ts";
import { scratchFolder } from "../fakes/scratch.ts";
import { ROOT } from "../e2e/server.ts";

Deno.test("the executable passes the end-to-end suite of the source", async () => {
  await using folder = await scratchFolder();
  const { tgi } = await compileExecutables(folder.path);
  const suite = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--frozen", "--quiet", "tests/e2e"],
    cwd: ROOT,
    env: { TGI_PROGRAM: tgi },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await suite.output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
});
