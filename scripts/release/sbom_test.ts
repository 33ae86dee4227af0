import assert from "node:assert/strict";
import { runQuietly } from "../packaging/quiet.ts";
import { cargo } from "../steps.ts";
import { bundledPackages, linkedCrates } from "./components.ts";
import { sbomOf } from "./sbom.ts";

Deno.test("every crate that is linked is in the bill, each with a licence", async () => {
  const parts = await linkedCrates();
  const bill = sbomOf("tgi", "1.2.3", parts);
  const named = new Set(bill.components.map(({ name, version }) => `${name} v${version}`));
  const tree = await runQuietly(cargo(
    ...["tree", "--locked", "--package", "tgi-core", "--prefix", "none", "--format", "{p}"],
    ...["--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-gnu"],
  ));
  assert.ok(tree.success, tree.lastWords);
  const linked = tree.stdout.split("\n").filter((line) => line !== "" && !line.includes("(/"))
    .map((line) => line.replace(/ \(\*\)$/, ""));
  assert.ok(linked.length > 30, tree.stdout);
  for (const crate of linked) assert.ok(named.has(crate), `${crate} is not in the bill`);
  for (const { name, licenses } of bill.components) {
    assert.match(licenses[0].expression, /^[\w.()+ -]+$/, name);
  }
});

Deno.test("every npm package that the program imports is in the bill, each with a licence", async () => {
  const parts = await bundledPackages();
  const names = new Set(parts.map(({ name }) => name));
  for (const name of ["hono", "zod", "prom-client", "commander", "@logtape/logtape"]) {
    assert.ok(names.has(name), name);
  }
  assert.ok(!names.has("fast-check"), "a library of the tests is in the bill");
  for (const { name, license } of parts) assert.match(license, /^[\w.()+ -]+$/, name);
});

Deno.test("a component has its package URL, and the bill refers to each once", () => {
  const bill = sbomOf("tgi", "1.2.3", [
    { kind: "cargo", name: "half", version: "2.7.1+x", license: "MIT OR Apache-2.0" },
    { kind: "npm", name: "@logtape/logtape", version: "2.0.0", license: "MIT" },
    { kind: "runtime", name: "deno", version: "2.9.6", license: "MIT" },
  ]);
  assert.deepEqual(bill.components.map(({ purl }) => purl), [
    "pkg:cargo/half@2.7.1%2Bx",
    "pkg:npm/%40logtape/logtape@2.0.0",
    undefined,
  ]);
  const refs = bill.components.map((component) => component["bom-ref"]);
  assert.equal(new Set(refs).size, refs.length);
  assert.deepEqual(bill.dependencies, [{ ref: "tgi@1.2.3", dependsOn: refs }]);
});
