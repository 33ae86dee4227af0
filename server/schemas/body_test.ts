import { deepEqual, ok, rejects } from "node:assert/strict";
import { z } from "zod";
import { BodyError } from "../errors.ts";
import { readJson } from "./body.ts";

/** A request whose body comes in these pieces; without `ends` nothing follows them. */
function coming(pieces: readonly string[], { ends, onCancel = () => {} }: {
  readonly ends: boolean;
  readonly onCancel?: () => void;
}): Request {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      if (ends) controller.close();
    },
    cancel: onCancel,
  });
  const headers = { "content-type": "application/json" };
  return new Request("http://localhost/", { method: "POST", headers, body });
}

Deno.test("a body that comes in pieces is one", async () => {
  const request = coming(['{"a":', "[1", "]}"], { ends: true });
  deepEqual(await readJson(request, z.unknown(), 100), { a: [1] });
});

Deno.test("a body of which no more comes is a 408 and is let go", async () => {
  let cancelled = false;
  const request = coming(['{"a":'], { ends: false, onCancel: () => cancelled = true });
  await rejects(readJson(request, z.unknown(), 100, 20), (error: Error) => {
    ok(error instanceof BodyError);
    deepEqual(
      [error.status, error.message],
      [408, "Failed to buffer the request body: nothing more of it came for 0.02 s"],
    );
    return true;
  });
  ok(cancelled);
});

Deno.test("a body past the limit is a 413 and is let go", async () => {
  let cancelled = false;
  const pieces = ["[".repeat(60), "[".repeat(60)];
  const request = coming(pieces, { ends: false, onCancel: () => cancelled = true });
  await rejects(readJson(request, z.unknown(), 100), /length limit exceeded/);
  ok(cancelled);
});
