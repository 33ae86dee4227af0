/** Every text that the engine's tests generate under a JSON schema, checked by Ajv. */

import assert from "node:assert/strict";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import { ROOT } from "../e2e/server.ts";

interface Output {
  readonly name: string;
  readonly schema: object;
  readonly text: string;
}

/** What the engine's own test of its schemas prints. */
async function outputs(): Promise<Output[]> {
  const name = "every_output_under_a_schema_is_valid";
  const cargo = new Deno.Command("cargo", {
    args: ["test", "--release", "-q", "-p", "tgi-engine", "--test", "grammar", name]
      .concat("--", "--nocapture"),
    cwd: `${ROOT}core-rs`,
    stderr: "inherit",
  });
  const { code, stdout } = await cargo.output();
  assert.equal(code, 0);
  const lines = new TextDecoder().decode(stdout).split("\n");
  return lines.filter((line) => line.startsWith("output ")).map((line) =>
    JSON.parse(line.slice("output ".length))
  );
}

Deno.test("Ajv finds every output under every schema valid", async () => {
  const all = await outputs();
  const names = new Set(all.map(({ name }) => name));
  assert.ok(names.size >= 200, `${names.size} schemas`);
  const faults = all.flatMap(({ name, schema, text }) => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    const { $schema: _, ...dialect2020 } = schema as { readonly $schema?: string };
    const isValid = ajv.compile(dialect2020);
    return isValid(JSON.parse(text)) ? [] : [`${name}: ${ajv.errorsText(isValid.errors)}: ${text}`];
  });
  assert.deepEqual(faults, []);
});
