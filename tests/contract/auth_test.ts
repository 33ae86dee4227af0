import assert from "node:assert/strict";
import { OpenAiError } from "../../server/schemas/openai_responses.ts";
import { post, start } from "./harness.ts";

const KEYS = ["s3cret-key", "other-key"];
const OPEN = ["/health", "/ping"];

const authorized = (key: string) => ({ authorization: `Bearer ${key}` });

const wrong: readonly Record<string, string>[] = [
  {},
  { authorization: "Bearer wrong" },
  { authorization: `Basic ${KEYS[0]}` },
  { authorization: "Bearer" },
  { authorization: `Bearer ${KEYS[0]?.toUpperCase()}` },
  { authorization: `Bearer ${KEYS[0]} ${KEYS[1]}` },
  { authorization: KEYS[0]! },
];

/** Method and path of every route, as the server itself lists them. */
function everyRoute() {
  const { app } = start();
  const paths = app.routes.filter(({ path }) => path !== "/*").map(({ path }) => path);
  const concrete = new Set(paths.map((path) => path.replace(/:id\{.*\}$/, "fake/model")));
  return [...concrete].flatMap((path) =>
    ["GET", "POST", "PUT"].map((method) => ({ method, path }))
  );
}

Deno.test("every route but /health and /ping asks for a key", async () => {
  const { app, engine } = start({ apiKeys: KEYS });
  const routes = everyRoute();
  assert.ok(routes.length > 50, `${routes.length} routes`);
  for (const { method, path } of routes) {
    for (const headers of wrong) {
      const response = await app.request(path, { method, headers });
      const isOpen = OPEN.includes(path);
      assert.equal(response.status === 401, !isOpen, `${method} ${path}`);
      await response.body?.cancel();
    }
  }
  assert.equal(engine.requests.length, 0);
});

Deno.test("paths that do not exist ask for a key, too, also such that look like the open ones", async () => {
  const { app } = start({ apiKeys: KEYS });
  for (const path of ["/nothing", "/v1/nothing", "/health/", "/ping/x", "/Health", "//health"]) {
    assert.equal((await app.request(path)).status, 401, path);
  }
  assert.equal((await app.request("/nothing", { headers: authorized(KEYS[0]!) })).status, 404);
});

Deno.test("a native refusal is TGI's empty 401, one on /v1 is OpenAI's error", async () => {
  const { app } = start({ apiKeys: KEYS });
  const native = await post(app, "/generate", { inputs: "a" });
  assert.deepEqual([native.status, await native.text()], [401, ""]);
  assert.equal(native.headers.get("www-authenticate"), "Bearer");
  const openAi = await post(app, "/v1/completions", { prompt: "a" });
  assert.equal(OpenAiError.parse(await openAi.json()).error.code, "invalid_api_key");
  assert.equal(openAi.headers.get("www-authenticate"), "Bearer");
});

Deno.test("any of the keys opens every generating route", async () => {
  const { app } = start({ apiKeys: KEYS });
  const bodies = {
    "/": { inputs: "a" },
    "/generate": { inputs: "a" },
    "/generate_stream": { inputs: "a" },
    "/v1/completions": { prompt: "a" },
    "/v1/chat/completions": { messages: [{ role: "user", content: "a" }] },
    "/tokenize": { inputs: "a" },
    "/vertex": { instances: [{ inputs: "a" }] },
    "/invocations": { inputs: "a" },
  };
  for (const key of KEYS) {
    for (const [path, body] of Object.entries(bodies)) {
      const response = await post(app, path, body, authorized(key));
      assert.equal(response.status, 200, path);
      await response.text();
    }
  }
});

Deno.test("a failure behind a right key keeps its own status", async () => {
  const { app } = start({ apiKeys: KEYS });
  const response = await post(app, "/generate", "{", authorized(KEYS[0]!));
  assert.equal(response.status, 400);
  assert.match(await response.text(), /"error_type":"validation"/);
});

Deno.test("each key has a prefix cache of its own, and the key is not in its salt", async () => {
  const { app, engine } = start({ apiKeys: KEYS });
  for (const key of [KEYS[0]!, KEYS[1]!, KEYS[0]!]) {
    await (await post(app, "/generate", { inputs: "a" }, authorized(key))).text();
  }
  const body = { prompt: "a", n: 2 };
  await (await post(app, "/v1/completions", body, authorized(KEYS[1]!))).text();
  const salts = engine.requests.map(({ job }) => job.cache_salt);
  assert.deepEqual(salts, [salts[0], salts[1], salts[0], salts[1], salts[1]]);
  assert.notEqual(salts[0], salts[1]);
  assert.ok(salts.every((salt) => salt !== undefined && !KEYS.some((key) => salt.includes(key))));
});

Deno.test("without keys there is one cache for all", async () => {
  const { app, engine } = start();
  await (await post(app, "/generate", { inputs: "a" }, authorized("any"))).text();
  assert.equal(engine.requests[0]?.job.cache_salt, undefined);
});

Deno.test("a browser's preflight needs no key, the request after it does", async () => {
  const { app } = start({ apiKeys: KEYS, corsAllowOrigin: ["http://a.example"] });
  const headers = {
    origin: "http://a.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
  };
  const preflight = await app.request("/generate", { method: "OPTIONS", headers });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /authorization/);
  assert.equal((await post(app, "/generate", { inputs: "a" })).status, 401);
});
