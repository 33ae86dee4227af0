/** Repositories that may not be read, or are not there: what is said of each. */

import assert from "node:assert/strict";
import { StartError } from "../../server/errors.ts";
import { fetchFromHub } from "../../server/model_source/hub.ts";
import { findToken } from "../../server/model_source/hub_token.ts";
import { type FakeRepository, startFakeHub } from "../fakes/hub.ts";
import { hubAccess } from "../fakes/hub_access.ts";
import { filesBelow, scratchFolder } from "../fakes/scratch.ts";

const REPOSITORY: FakeRepository = {
  id: "owner/name",
  commit: "a".repeat(40),
  files: { "m.gguf": new Uint8Array(1000) },
};
const RIGHT = { secret: "hf_right", source: "HF_TOKEN" };
const WRONG = { secret: "hf_wrong", source: "/home/me/token" };

async function refusal(
  repository: Partial<FakeRepository>,
  { token = null, id = "owner/name", revision = "main" }: {
    token?: typeof RIGHT | null;
    id?: string;
    revision?: string;
  } = {},
): Promise<string> {
  await using folder = await scratchFolder();
  await using hub = startFakeHub({ ...REPOSITORY, ...repository });
  const reference = {
    model: { repository: id, revision },
    wanted: { file: null, quantization: null },
  };
  const error = await fetchFromHub(reference, hubAccess(folder.path, hub.endpoint, { token }))
    .then(() => null, (error) => error);
  if (error === null) return "fetched";
  assert.ok(error instanceof StartError, String(error));
  assert.equal(error.exitCode, 3);
  assert.deepEqual(filesBelow(folder.path).filter((path) => !path.startsWith(".locks")), []);
  assert.ok(!error.message.includes("hf_"), "no message holds a token");
  return error.message.replaceAll(hub.endpoint, "HUB");
}

Deno.test("a gated repository says how to get in", async () => {
  const gated = { readers: { kind: "gated", token: "hf_right" } } as const;
  assert.equal(
    await refusal(gated),
    "Cannot fetch owner/name at main: it is gated; accept its terms at HUB/owner/name and set " +
      "HF_TOKEN to a token of that account.",
  );
  assert.equal(
    await refusal(gated, { token: WRONG }),
    "Cannot fetch owner/name at main: it is gated, and the account of the token of " +
      "/home/me/token has no access; accept its terms at HUB/owner/name with that account, or " +
      "wait until it is granted.",
  );
  assert.equal(await refusal(gated, { token: RIGHT }), "fetched");
});

Deno.test("a private repository looks like none", async () => {
  const hidden = { readers: { kind: "private", token: "hf_right" } } as const;
  assert.equal(
    await refusal(hidden),
    "Cannot fetch owner/name at main: the hub has no such public repository; check --model-id, " +
      "and set HF_TOKEN where it is private.",
  );
  assert.match(
    await refusal(hidden, { token: WRONG }),
    /or the token of \/home\/me\/token may not read it; check --model-id and the token\.$/,
  );
  assert.equal(await refusal(hidden, { token: RIGHT }), "fetched");
});

Deno.test("a repository or a revision that is not there is named", async () => {
  assert.match(
    await refusal({}, { id: "owner/other" }),
    /^Cannot fetch owner\/other at main: the hub has no such public repository; check --model-id/,
  );
  assert.equal(
    await refusal({}, { revision: "v9" }),
    "Cannot fetch owner/name at v9: it has no branch, tag or commit v9; check --revision.",
  );
});

Deno.test("a token is found in the variable, then in the file of the hub's tools", async () => {
  await using folder = await scratchFolder();
  const variables = (among: Record<string, string>) => (name: string) => among[name];
  const home = { HF_HOME: folder.path };
  assert.equal(await findToken(variables(home), null), null);
  await Deno.writeTextFile(`${folder.path}/token`, "hf_file\n");
  const found = { secret: "hf_file", source: `${folder.path}/token` };
  assert.deepEqual(await findToken(variables(home), null), found);
  assert.deepEqual(await findToken(variables({ HF_TOKEN_PATH: found.source }), null), found);
  assert.equal((await findToken(variables(home), " hf_flag\n"))?.secret, "hf_flag");
  const older = { ...home, HUGGING_FACE_HUB_TOKEN: "hf_old" };
  assert.equal((await findToken(variables(older), null))?.secret, "hf_old");
  assert.equal(
    await findToken(variables({ ...home, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }), null),
    null,
  );
});
