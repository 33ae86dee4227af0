import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { sha256 } from "../../tests/fakes/hub.ts";
import { filesBelow, scratchFolder } from "../../tests/fakes/scratch.ts";
import { StartError } from "../errors.ts";
import { UNSEEN } from "./progress.ts";
import { contentOf, writeVerified } from "./verified_file.ts";

const CONTENT = new Uint8Array(3000).map((_, index) => index * 7);

async function* inChunks(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) {
    yield await Promise.resolve(content.subarray(at, at + size));
  }
}

async function failure(work: Promise<void>): Promise<StartError> {
  const error = await work.then(() => null, (error) => error);
  assert.ok(error instanceof StartError);
  assert.equal(error.exitCode, 3);
  return error;
}

Deno.test("a whole file appears under its name, alone, whatever the chunks", async () => {
  await using folder = await scratchFolder();
  const expected = { bytes: CONTENT.length, sha256: await sha256(CONTENT) };
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4000 }), async (size) => {
      const path = join(folder.path, "new", "model.gguf");
      await writeVerified(path, inChunks(CONTENT, size), expected, UNSEEN);
      assert.deepEqual(await Deno.readFile(path), CONTENT);
      assert.deepEqual(filesBelow(folder.path), ["new/model.gguf"]);
    }),
    { numRuns: 20 },
  );
});

Deno.test("a file that ends early or is too long leaves nothing behind", async () => {
  await using folder = await scratchFolder();
  const path = join(folder.path, "model.gguf");
  for (const bytes of [CONTENT.length + 1, CONTENT.length - 1]) {
    const error = await failure(
      writeVerified(path, inChunks(CONTENT, 1000), { bytes, sha256: null }, UNSEEN),
    );
    assert.match(error.message, /^Cannot fetch model\.gguf: it ended at byte 3000 of \d+; start/);
    assert.deepEqual(filesBelow(folder.path), []);
  }
});

Deno.test("content with another SHA-256 is refused", async () => {
  await using folder = await scratchFolder();
  const path = join(folder.path, "model.gguf");
  const expected = { bytes: CONTENT.length, sha256: "0".repeat(64) };
  const error = await failure(writeVerified(path, inChunks(CONTENT, 99), expected, UNSEEN));
  assert.match(error.message, /^Cannot use the fetched model\.gguf: its SHA-256 is [0-9a-f]{64}, /);
  assert.deepEqual(filesBelow(folder.path), []);
});

Deno.test("a source that breaks is one sentence, and the old file stays", async () => {
  await using folder = await scratchFolder();
  const path = join(folder.path, "model.gguf");
  await Deno.writeTextFile(path, "old");
  async function* broken() {
    yield await Promise.resolve(CONTENT);
    throw new Error("connection reset");
  }
  const expected = { bytes: 9000, sha256: null };
  const error = await failure(writeVerified(path, broken(), expected, UNSEEN));
  assert.equal(
    error.message,
    "Cannot fetch model.gguf: connection reset; start again to fetch it anew.",
  );
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(filesBelow(folder.path), ["model.gguf"]);
});

Deno.test("several writers of one file do not meet", async () => {
  await using folder = await scratchFolder();
  const path = join(folder.path, "model.gguf");
  const expected = { bytes: CONTENT.length, sha256: await sha256(CONTENT) };
  await Promise.all(
    [1, 10, 100, 1000].map((size) =>
      writeVerified(path, inChunks(CONTENT, size), expected, UNSEEN)
    ),
  );
  assert.deepEqual(await Deno.readFile(path), CONTENT);
  assert.deepEqual(filesBelow(folder.path), ["model.gguf"]);
});

Deno.test("the content of files comes in their order", async () => {
  await using folder = await scratchFolder();
  const paths = ["a", "b", "c"].map((name) => join(folder.path, name));
  for (const path of paths) await Deno.writeTextFile(path, `${path.at(-1)}1`);
  async function* later() {
    yield* await Promise.resolve(paths);
  }
  const chunks = await Array.fromAsync(contentOf(later()));
  assert.equal(await new Blob(chunks as BlobPart[]).text(), "a1b1c1");
});
