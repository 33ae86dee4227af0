import assert from "node:assert/strict";
import { join } from "node:path";
import { hadolint } from "../../scripts/packaging/hadolint.ts";
import { runQuietly } from "../../scripts/packaging/quiet.ts";
import { ROOT } from "../../scripts/steps.ts";
import { ExitCode } from "../../server/commands/exit_code.ts";
import { scratchFolder } from "../fakes/scratch.ts";

const UNIT = await Deno.readTextFile(`${ROOT}deploy/tgi.service`);
const ANALYZE = "systemd-analyze";
const hasSystemd = await new Deno.Command(ANALYZE, { args: ["--version"], stdout: "null" }).output()
  .then(({ success }) => success, () => false);

/** Values of a key in the unit, in their order. */
function valuesOf(key: string): string[] {
  return UNIT.split("\n").filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));
}

Deno.test("the Containerfile passes hadolint", async () => {
  const lint = await runQuietly({
    program: await hadolint(),
    args: ["--failure-threshold", "style", "deploy/Containerfile"],
  });
  assert.ok(lint.success, lint.stdout);
});

Deno.test("the unit takes every right away that serving does not need", () => {
  const expected = {
    DynamicUser: "yes",
    NoNewPrivileges: "yes",
    CapabilityBoundingSet: "",
    ProtectSystem: "strict",
    ProtectHome: "yes",
    PrivateTmp: "yes",
    PrivateDevices: "yes",
    RestrictNamespaces: "yes",
    SystemCallArchitectures: "native",
  };
  for (const [key, value] of Object.entries(expected)) {
    assert.deepEqual(valuesOf(key), [value], key);
  }
});

Deno.test("a start that fails for a reason that stays is not tried again", () => {
  const { usage, model, library, address } = ExitCode;
  assert.deepEqual(valuesOf("RestartPreventExitStatus"), [
    [usage, model, library, address].join(" "),
  ]);
});

Deno.test({
  name: "systemd finds no fault in the unit, and little that it exposes",
  ignore: !hasSystemd,
  async fn() {
    await using folder = await scratchFolder();
    const path = join(folder.path, "tgi.service");
    await Deno.writeTextFile(path, UNIT.replaceAll("/usr/local/bin/tgi", "/bin/true"));
    const verified = await runQuietly({ program: ANALYZE, args: ["verify", path] });
    assert.ok(verified.success, verified.lastWords);
    const args = ["security", "--offline=true", "--threshold=20", path];
    const security = await runQuietly({ program: ANALYZE, args });
    assert.ok(security.success, security.stdout.slice(-200));
  },
});
