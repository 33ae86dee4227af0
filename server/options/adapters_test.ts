import assert from "node:assert/strict";
import { readAdapterNames } from "./adapters.ts";

Deno.test("every form of TGI's is read", () => {
  assert.deepEqual(readAdapterNames("org/a, b=/models/b,c=org/c@v2,org/d@main,"), [
    { id: "org/a", source: "org/a", revision: null },
    { id: "b", source: "/models/b", revision: null },
    { id: "c", source: "org/c", revision: "v2" },
    { id: "org/d", source: "org/d", revision: "main" },
  ]);
  assert.deepEqual(readAdapterNames(""), []);
});

Deno.test("what is no adapter, and an id that stands twice, is refused", () => {
  for (const text of ["a=b=c", "=b", "a@b@c", "a="]) {
    assert.throws(() => readAdapterNames(text), RangeError, text);
  }
  assert.throws(() => readAdapterNames("a=x,a=y"), /no id stands twice/);
});
