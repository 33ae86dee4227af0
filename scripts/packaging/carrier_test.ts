import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { writeCarrier } from "./carrier.ts";

const MODEL = new Uint8Array(10_000).map((_, index) => index * 7);
const PINNED = {
  repository: "o/m",
  file: "m.gguf",
  bytes: MODEL.length,
  sha256: createHash("sha256").update(MODEL).digest("hex"),
  packages: [],
};

Deno.test("the model follows the base binary at the next page, and the base stays as it is", async () => {
  await using folder = await scratchFolder();
  const [base, model, carrier] = ["base", "model", "carrier"].map((name) =>
    join(folder.path, name)
  );
  assert.ok(base && model && carrier);
  await Deno.writeFile(model, MODEL);
  for (const bytes of [1, 4095, 4096, 4097]) {
    await Deno.writeFile(base, new Uint8Array(bytes).fill(9));
    const { offset, length, repository } = await writeCarrier(carrier, base, model, PINNED);
    assert.deepEqual([repository, length], ["o/m", MODEL.length]);
    assert.equal(offset, bytes <= 4096 ? 4096 : 8192);
    const written = await Deno.readFile(carrier);
    assert.deepEqual(written.subarray(0, bytes), new Uint8Array(bytes).fill(9));
    assert.ok(written.subarray(bytes, offset).every((byte) => byte === 0));
    assert.deepEqual(written.subarray(offset), MODEL);
  }
});

Deno.test("another model than the pinned one is not carried", async () => {
  await using folder = await scratchFolder();
  const [base, model, carrier] = ["base", "model", "carrier"].map((name) =>
    join(folder.path, name)
  );
  assert.ok(base && model && carrier);
  await Deno.writeFile(base, new Uint8Array(10));
  await Deno.writeFile(model, MODEL.subarray(1));
  await assert.rejects(writeCarrier(carrier, base, model, PINNED), /its SHA-256 is /);
});
