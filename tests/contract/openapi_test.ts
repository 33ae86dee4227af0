import assert from "node:assert/strict";
import document from "../../openapi.json" with { type: "json" };
import { openApiText } from "../../scripts/openapi.ts";
import { openApiDocument } from "../../server/openapi.ts";
import seed from "./fixtures/openapi-0.3.1.json" with { type: "json" };
import { start } from "./harness.ts";

/** Paths of everything in `part` that `whole` lacks or has differently. */
function missing(part: unknown, whole: unknown, path = ""): string[] {
  if (Array.isArray(part)) {
    const items = Array.isArray(whole) ? whole.map((item) => JSON.stringify(item)) : [];
    return part.filter((item) => !items.includes(JSON.stringify(item)))
      .map((item) => `${path}: ${JSON.stringify(item)}`);
  }
  if (part !== null && typeof part === "object") {
    const other = (whole ?? {}) as Record<string, unknown>;
    return Object.entries(part).flatMap(([key, value]) =>
      missing(value, other[key], `${path}/${key}`)
    );
  }
  return part === whole ? [] : [`${path}: ${part} is ${whole}`];
}

Deno.test("the comparison finds what is missing", () => {
  assert.deepEqual(missing({ a: [1], b: { c: 2 } }, { a: [1, 2], b: { c: 2, d: 3 } }), []);
  assert.deepEqual(missing({ a: [1], b: { c: 2 } }, { a: [2], b: { c: 3 } }), [
    "/a: 1",
    "/b/c: 2 is 3",
  ]);
});

Deno.test("the document has everything that the document of TGI 0.3.1 has", () => {
  assert.deepEqual(missing(seed, document), []);
});

Deno.test("the committed document is the one that the schemas give", async () => {
  const file = new URL("../../openapi.json", import.meta.url);
  assert.equal(await Deno.readTextFile(file), openApiText());
});

Deno.test("what 0.3.1 sends as null is noted as nullable", () => {
  const { Details, StreamDetails, StreamResponse } = document.components.schemas;
  assert.equal(Details.properties.seed.nullable, true);
  assert.equal(StreamDetails.properties.seed.nullable, true);
  assert.equal(StreamResponse.properties.details.nullable, true);
});

Deno.test("every reference leads to a schema", () => {
  const schemas = Object.keys(document.components.schemas);
  const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
  const names = new Set([...references].map(([, path = ""]) => path.split("/schemas/")[1] ?? path));
  assert.ok(names.size > 5);
  for (const name of names) assert.ok(schemas.includes(name), name);
});

Deno.test("every documented operation is served", async () => {
  const { app } = start();
  const paths = openApiDocument().paths as Record<string, Record<string, unknown>>;
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of Object.keys(operations)) {
      const served = path.replace("{id}", "fake/model");
      const { status } = await app.request(served, { method: method.toUpperCase() });
      assert.ok(status !== 404 && status !== 405, `${method} ${path} is ${status}`);
    }
  }
});

Deno.test("each operation has a name of its own", () => {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const names = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(names).size, names.length);
});
