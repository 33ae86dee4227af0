import assert from "node:assert/strict";
import { Info } from "../../server/schemas/responses.ts";
import { post, start, summary } from "./harness.ts";

Deno.test("an unknown path is an empty 404", async () => {
  const { app } = start();
  for (const path of ["/nothing", "/generate/", "/docs/other"]) {
    assert.equal(await summary(await app.request(path)), "404 null\n");
  }
});

Deno.test("a wrong method is an empty 405 that names the right ones", async () => {
  const { app } = start();
  const ask = async (method: string, path: string) => {
    const response = await app.request(path, { method });
    return [response.status, response.headers.get("allow"), await response.text()];
  };
  assert.deepEqual(await ask("GET", "/generate"), [405, "POST", ""]);
  assert.deepEqual(await ask("HEAD", "/generate_stream"), [405, "POST", ""]);
  assert.deepEqual(await ask("POST", "/health"), [405, "GET,HEAD", ""]);
  assert.deepEqual(await ask("DELETE", "/"), [405, "GET,HEAD,POST", ""]);
  assert.deepEqual(await ask("OPTIONS", "/metrics"), [405, "GET,HEAD", ""]);
});

Deno.test("HEAD answers where GET does, without a body", async () => {
  const { app } = start();
  const response = await app.request("/metrics", { method: "HEAD" });
  assert.deepEqual([response.status, await response.text()], [200, ""]);
});

Deno.test("info names the model and its limits in TGI's order", async () => {
  const { app } = start();
  const reply = await (await app.request("/info")).json();
  assert.deepEqual(Info.parse(reply), reply);
  assert.equal(
    JSON.stringify(reply),
    '{"model_id":"fake/model","model_sha":null,"model_pipeline_tag":"text-generation",' +
      '"max_concurrent_requests":4,"max_best_of":1,"max_stop_sequences":4,' +
      '"max_input_tokens":32,"max_total_tokens":64,"validation_workers":2,' +
      '"max_client_batch_size":4,"router":"text-generation-router","version":"0.1.0","sha":null,' +
      '"docker_label":null,"model_dtype":"float32","model_device_type":"cpu"}',
  );
});

Deno.test("no origin is allowed by default", async () => {
  const { app } = start();
  const response = await app.request("/health", { headers: { origin: "http://a.example" } });
  assert.equal(response.headers.get("access-control-allow-origin"), null);
});

Deno.test("an allowed origin may call and read the headers, any other may not", async () => {
  const { app } = start({ corsAllowOrigin: ["http://a.example"] });
  const ask = async (origin: string) => {
    const response = await post(app, "/generate", { inputs: "a" }, { origin });
    await response.text();
    return response.headers;
  };
  const headers = await ask("http://a.example");
  assert.equal(headers.get("access-control-allow-origin"), "http://a.example");
  assert.equal(headers.get("access-control-allow-credentials"), null);
  assert.equal(
    headers.get("access-control-expose-headers"),
    "x-compute-type,x-compute-time,x-compute-characters,x-total-time,x-validation-time," +
      "x-queue-time,x-inference-time,x-time-per-token,x-prompt-tokens,x-generated-tokens," +
      "x-prefill-time,x-decode-time,x-cached-tokens,x-drafted-tokens,x-accepted-tokens," +
      "x-request-id,x-ignored-params",
  );
  assert.equal((await ask("http://b.example")).get("access-control-allow-origin"), null);
});

Deno.test("a preflight is answered with TGI's methods and the headers that were asked for", async () => {
  const { app } = start({ corsAllowOrigin: ["*"] });
  const response = await app.request("/generate", {
    method: "OPTIONS",
    headers: {
      origin: "http://a.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,authorization",
    },
  });
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.equal(response.headers.get("access-control-allow-methods"), "GET,POST");
  assert.equal(response.headers.get("access-control-allow-headers"), "content-type,authorization");
});

Deno.test("errors and streams carry the origin, too", async () => {
  const { app } = start({ corsAllowOrigin: ["*"] });
  for (
    const [path, body] of [["/generate", "{"], ["/generate_stream", '{"inputs":"a"}']] as const
  ) {
    const response = await post(app, path, body, { origin: "http://a.example" });
    await response.text();
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
  }
});

Deno.test("a host that this server is not is refused", async () => {
  const { app } = start({ allowedHosts: ["localhost", "127.0.0.1", "[::1]"] });
  const ask = async (host: string) => (await app.request(`http://${host}/health`)).status;
  assert.deepEqual(
    [await ask("localhost"), await ask("127.0.0.1:3000"), await ask("[::1]:3000")],
    [200, 200, 200],
  );
  assert.equal(await ask("evil.example"), 403);
  assert.match(
    await summary(await app.request("http://evil.example/info")),
    /^403 application\/json\n\{"error":"Cannot serve host evil\.example: this server answers to /,
  );
});

Deno.test("the documentation page needs nothing from elsewhere", async () => {
  const { app } = start();
  const page = await app.request("/docs/");
  const html = await page.text();
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'/);
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  const files = links.filter((link) => link !== "data:,");
  assert.equal(files.length, 3);
  for (const file of files) {
    const response = await app.request(new URL(file, "http://localhost/docs/").pathname);
    assert.equal(response.status, 200, file);
    assert.ok((await response.text()).length > 0);
  }
});

Deno.test("/docs leads to the page, under any prefix of a proxy", async () => {
  const { app } = start();
  const response = await app.request("/docs");
  assert.deepEqual([response.status, response.headers.get("location")], [308, "docs/"]);
});

Deno.test("the served document is the committed one", async () => {
  const { app } = start();
  const response = await app.request("/api-doc/openapi.json");
  assert.equal(response.headers.get("content-type"), "application/json");
  const file = new URL("../../openapi.json", import.meta.url);
  assert.deepEqual(await response.json(), JSON.parse(await Deno.readTextFile(file)));
});
