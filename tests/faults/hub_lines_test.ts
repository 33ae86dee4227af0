/** Lines that fail under a download from the hub, and content that is wrong. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { StartError } from "../../server/errors.ts";
import { fetchFromHub, type HubAccess } from "../../server/model_source/hub.ts";
import { etagOf, type FakeRepository, startFakeHub } from "../fakes/hub.ts";
import { hubAccess } from "../fakes/hub_access.ts";
import { filesBelow, scratchFolder } from "../fakes/scratch.ts";

const CONTENT = new Uint8Array(400_000).map((_, index) => index * 31 + (index >> 9));
const REPOSITORY: FakeRepository = {
  id: "owner/name",
  commit: "a".repeat(40),
  files: { "m.gguf": CONTENT },
};
const BLOB = `models--owner--name/blobs/${etagOf("m.gguf", CONTENT)}`;
const ANY = {
  model: { repository: "owner/name", revision: "main" },
  wanted: { file: null, quantization: null },
};

/** Fetches from a hub that misbehaves; the file's content, or the sentence of the failure. */
async function fetchFrom(
  repository: Partial<FakeRepository>,
  cache: string,
  changes: Partial<HubAccess> = {},
) {
  await using hub = startFakeHub({ ...REPOSITORY, ...repository });
  const access = hubAccess(cache, hub.endpoint, changes);
  const ranges = () => hub.storageRequests.map((line) => line.split(" ").at(-1));
  try {
    const { path } = await fetchFromHub(ANY, access);
    return { content: await Deno.readFile(path), message: null, ranges: ranges() };
  } catch (error) {
    assert.ok(error instanceof StartError, String(error));
    assert.equal(error.exitCode, 3);
    assert.ok(!error.message.includes("\n"));
    return { content: null, message: error.message, ranges: ranges() };
  }
}

/** The parts that are kept; no file may have its final name. */
function kept(cache: string): string[] {
  return filesBelow(cache).filter((path) => !path.startsWith(".locks/"));
}

Deno.test("a line that is cut at random places brings the file all the same", async () => {
  const cut = fc.integer({ min: 1, max: CONTENT.length });
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { maxLength: 8 }), fc.boolean(), async (cuts, endsWell) => {
      await using folder = await scratchFolder();
      const fault = ({ attempt }: { attempt: number }) => {
        const cutAfter = cuts[attempt];
        return cutAfter === undefined ? null : { cutAfter, ...(endsWell ? { endsWell } : {}) };
      };
      const { content } = await fetchFrom({ fault }, folder.path);
      assert.deepEqual(content, CONTENT);
    }),
    { numRuns: 25 },
  );
});

Deno.test("a cut line is gone on from where it was cut", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt }: { attempt: number }) => attempt < 2 ? { cutAfter: 100_000 } : null;
  const { content, ranges } = await fetchFrom({ fault }, folder.path);
  assert.deepEqual(content, CONTENT);
  assert.deepEqual(ranges, ["-", "bytes=100000-399999", "bytes=200000-399999"]);
});

Deno.test("a line that stays down is one sentence; the next start goes on", async () => {
  await using folder = await scratchFolder();
  const fault = ({ from }: { from: number }) => ({ cutAfter: from === 0 ? 150_000 : 0 });
  const { message } = await fetchFrom({ fault }, folder.path);
  assert.match(
    message ?? "",
    /^Cannot fetch m\.gguf: it was cut at byte 150000 of 400000 \(.+\); what has come is kept, start /,
  );
  assert.deepEqual(kept(folder.path), [`${BLOB}.incomplete`]);
  const { content, ranges } = await fetchFrom({}, folder.path);
  assert.deepEqual(content, CONTENT);
  assert.deepEqual(ranges, ["bytes=150000-399999"]);
  assert.ok(!kept(folder.path).includes(`${BLOB}.incomplete`));
});

Deno.test("a part that was damaged on the disk is fetched anew", async () => {
  await using folder = await scratchFolder();
  const path = `${folder.path}/${BLOB}.incomplete`;
  await Deno.mkdir(`${folder.path}/models--owner--name/blobs`, { recursive: true });
  for (const part of [new Uint8Array(1000), new Uint8Array(500_000), new Uint8Array(400_000)]) {
    await Deno.writeFile(path, part);
    const { content } = await fetchFrom({}, folder.path);
    assert.deepEqual(content, CONTENT);
    await Deno.remove(`${folder.path}/${BLOB}`);
  }
});

Deno.test("a host that ignores ranges sends the whole file again", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt }: { attempt: number }) =>
    attempt === 0 ? { cutAfter: 100_000 } : { ignoresRange: true } as const;
  const { content } = await fetchFrom({ fault }, folder.path);
  assert.deepEqual(content, CONTENT);
});

Deno.test("a host that refuses a range sends the whole file", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt, from }: { attempt: number; from: number }) =>
    attempt === 0 ? { cutAfter: 100_000 } : from > 0 ? { status: 416 } : null;
  const { content } = await fetchFrom({ fault }, folder.path);
  assert.deepEqual(content, CONTENT);
});

Deno.test("a host that fails for a while is asked again", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt }: { attempt: number }) => attempt < 1 ? { status: 500 } : null;
  const { content } = await fetchFrom({ fault }, folder.path);
  assert.deepEqual(content, CONTENT);
});

Deno.test("a body that stalls is cut and gone on from", async () => {
  await using folder = await scratchFolder();
  const fault = ({ attempt }: { attempt: number }) =>
    attempt === 0 ? { cutAfter: 70_000, stalls: true } as const : null;
  const changes = { stallMillis: 100, headMillis: 2000 };
  const { content, ranges } = await fetchFrom({ fault }, folder.path, changes);
  assert.deepEqual(content, CONTENT);
  assert.equal(ranges[0], "-");
  assert.match(ranges[1] ?? "", /^bytes=\d+-399999$/);
});

Deno.test("a body that never stops stalling is one sentence", async () => {
  await using folder = await scratchFolder();
  const fault = () => ({ cutAfter: 0, stalls: true } as const);
  const changes = { stallMillis: 30, headMillis: 100 };
  const { message } = await fetchFrom({ fault }, folder.path, changes);
  assert.match(
    message ?? "",
    /^Cannot fetch m\.gguf: it was cut at byte 0 of 400000 \(nothing came for 0\.03 s\); what /,
  );
});

Deno.test("a slow body is no stalled one", async () => {
  await using folder = await scratchFolder();
  // It takes four times as long as the longest wait, and more comes all the time.
  const fault = () => ({ pace: { bytes: 5000, millis: 20 } });
  const changes = { stallMillis: 400, headMillis: 400 };
  const { content, ranges } = await fetchFrom({ fault }, folder.path, changes);
  assert.deepEqual(content, CONTENT);
  // A machine that stands still for a moment may add one.
  assert.ok(ranges.length <= 2, ranges.join());
});

Deno.test("a forged content is refused and not kept, be it as long or longer", async () => {
  for (const forged of [CONTENT.toReversed(), new Uint8Array(500_000)]) {
    await using folder = await scratchFolder();
    const { message } = await fetchFrom({ fault: () => ({ forged }) }, folder.path);
    assert.match(
      message ?? "",
      /^Cannot use the fetched m\.gguf: (its SHA-256 is [0-9a-f]{64}, exp|it is longer than 400000)/,
    );
    assert.deepEqual(kept(folder.path), []);
  }
});

Deno.test("a small file is checked by git's hash", async () => {
  await using folder = await scratchFolder();
  const files = {
    "config.json": new TextEncoder().encode('{"a": 1}'),
    "tokenizer.json": new TextEncoder().encode("{}"),
    "model.safetensors": CONTENT,
  };
  const forged = new TextEncoder().encode('{"a": 2}');
  const fault = ({ file }: { file: string }) => file === "config.json" ? { forged } : null;
  const { message } = await fetchFrom({ files, fault }, folder.path);
  assert.match(
    message ?? "",
    /^Cannot use the fetched config\.json: its git hash is [0-9a-f]{40}, expected [0-9a-f]{40}; /,
  );
  assert.ok(!kept(folder.path).some((path) => path.includes("/snapshots/")));
});

Deno.test("one file that fails ends the others, and their parts are kept", async () => {
  await using folder = await scratchFolder();
  const text = (words: string) => new TextEncoder().encode(words);
  const files = {
    "config.json": text("{}"),
    "tokenizer.json": text("[]"),
    "model.safetensors": CONTENT,
  };
  const fault = ({ file }: { file: string }) =>
    file === "tokenizer.json"
      ? { forged: text("()") }
      : file === "model.safetensors"
      ? { cutAfter: 50_000, stalls: true } as const
      : null;
  const { message } = await fetchFrom({ files, fault }, folder.path);
  assert.match(message ?? "", /^Cannot use the fetched tokenizer\.json: /);
  assert.ok(!kept(folder.path).some((path) => path.includes("/snapshots/")));
});
