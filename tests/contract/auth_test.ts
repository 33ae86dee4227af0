import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { post, start } from "./harness.ts";

const KEY = "s3cret-key";
const BODY = { inputs: "one two", parameters: { max_new_tokens: 1 } };
const GENERATING = ["/", "/generate", "/generate_stream"];

Deno.test("without a key every generating route answers 401 with an empty body", async () => {
  const { app } = start({ apiKey: KEY });
  const refused = [{}, { authorization: "Bearer wrong" }, { authorization: `Basic ${KEY}` }, {
    authorization: "Bearer",
  }, { authorization: `Bearer ${KEY.toUpperCase()}` }];
  for (const path of GENERATING) {
    for (const headers of refused) {
      const response = await post(app, path, BODY, headers as Record<string, string>);
      assert.equal(response.status, 401, `${path} ${JSON.stringify(headers)}`);
      assert.equal(await response.text(), "");
      assert.equal(response.headers.get("www-authenticate"), "Bearer");
    }
  }
});

Deno.test("with the key every generating route answers", async () => {
  const { app } = start({ apiKey: KEY });
  for (const path of GENERATING) {
    const response = await post(app, path, BODY, { authorization: `Bearer ${KEY}` });
    assert.equal(response.status, 200, path);
    await response.text();
  }
});

Deno.test("a job carries a hash of its key, whatever the case of the scheme", async () => {
  const { app, engine } = start({ apiKey: KEY });
  for (const scheme of ["Bearer", "Bearer ", "bearer"]) {
    const headers = { authorization: `${scheme} ${KEY}` };
    await (await post(app, "/generate", BODY, headers)).text();
  }
  const salts = engine.requests.map(({ job }) => job.cache_salt);
  assert.ok(salts.length > 0);
  for (const salt of salts) {
    assert.equal(salt, createHash("sha256").update(KEY).digest("base64"));
  }
});

Deno.test("without --api-key a key changes nothing about the cache", async () => {
  const { app, engine } = start({});
  await (await post(app, "/generate", BODY, { authorization: "Bearer any" })).text();
  assert.equal(engine.requests[0]?.job.cache_salt, undefined);
});

Deno.test("probes, metrics and documents need no key", async () => {
  const { app } = start({ apiKey: KEY });
  for (const path of ["/", "/health", "/ping", "/info", "/metrics", "/api-doc/openapi.json"]) {
    const response = await app.request(path);
    assert.equal(response.status, 200, path);
    await response.body?.cancel();
  }
});

Deno.test("a failure behind a right key keeps its own status", async () => {
  const { app } = start({ apiKey: KEY });
  const response = await post(app, "/generate", "{", { authorization: `Bearer ${KEY}` });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /"error_type":"validation"/);
});
