import assert from "node:assert/strict";
import { OverloadedError } from "./errors.ts";
import { Permits } from "./permits.ts";

Deno.test("a permit past the limit is refused at once", () => {
  const permits = new Permits(2);
  permits.acquire();
  permits.acquire();
  assert.throws(() => permits.acquire(), OverloadedError);
  assert.equal(permits.taken, 2);
});

Deno.test("a released permit can be taken again", () => {
  const permits = new Permits(1);
  permits.acquire().release();
  permits.acquire();
  assert.equal(permits.taken, 1);
});

Deno.test("a permit released twice frees one place only", () => {
  const permits = new Permits(2);
  const first = permits.acquire();
  permits.acquire();
  first.release();
  first.release();
  assert.equal(permits.taken, 1);
});

Deno.test("a limit of zero refuses everything", () => {
  assert.throws(() => new Permits(0).acquire(), { message: "Model is overloaded" });
});
