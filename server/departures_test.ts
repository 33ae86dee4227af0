import { deepEqual, equal } from "node:assert/strict";
import { Hono } from "hono";
import type { Presence } from "../ffi/types.ts";
import { departureOf, watchDepartures } from "./departures.ts";

const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 4000 } as const;
const PEER = "127.0.0.1 4000";
const HERE: Presence = { here: [PEER], left: [] };
const LEFT: Presence = { here: [], left: [PEER] };
const NOWHERE: Presence = { here: [], left: [] };

/** What a handler that waits for its client's departure saw. */
interface Seen {
  /** What was known of the client at each look until the handler ended. */
  readonly looks: readonly Presence[];
  readonly departed: boolean;
}

/** Runs a handler until its client has left, or until all `looks` were told. */
async function waiting(
  looks: readonly Presence[],
  env: object = { remoteAddr },
  signal: AbortSignal = new AbortController().signal,
): Promise<Seen> {
  const told: Presence[] = [];
  const allTold = Promise.withResolvers<void>();
  const app = new Hono();
  app.use(watchDepartures((peers) => {
    deepEqual(peers, [PEER]);
    const next = looks[told.length] ?? HERE;
    if (told.length >= looks.length) allTold.resolve();
    else told.push(next);
    return next;
  }, 1));
  app.post("/", async (c) => {
    const departure = departureOf(c.req.raw);
    const left = new Promise<void>((resolve) => {
      departure.addEventListener("abort", () => resolve(), { once: true });
      if (departure.aborted) resolve();
    });
    await Promise.race([left, allTold.promise]);
    return c.json(departure.aborted);
  });
  const request = new Request("http://localhost/", { method: "POST", signal });
  const response = await app.request(request, undefined, env);
  return { looks: told, departed: await response.json() };
}

Deno.test("a client that has closed its end has left, though it was never seen before", async () => {
  deepEqual(await waiting([LEFT]), { looks: [LEFT], departed: true });
});

Deno.test("a client that was here and is nowhere has left", async () => {
  const looks = [HERE, HERE, NOWHERE];
  deepEqual(await waiting(looks), { looks, departed: true });
});

Deno.test("a client that was never to be seen is not judged", async () => {
  const looks = [NOWHERE, NOWHERE, NOWHERE];
  deepEqual(await waiting(looks), { looks, departed: false });
});

Deno.test("what Deno tells of a client counts, too", async () => {
  deepEqual(await waiting([], undefined, AbortSignal.abort()), { looks: [], departed: true });
  const client = new AbortController();
  const seen = waiting([HERE, HERE, HERE], { remoteAddr }, client.signal);
  client.abort();
  equal((await seen).departed, true);
});

Deno.test("a request that came by no connection has the signal that it brought", async () => {
  for (const env of [{}, { remoteAddr: { transport: "unix", path: "/a" } }]) {
    deepEqual(await waiting([LEFT], env, AbortSignal.abort()), { looks: [], departed: true });
  }
});

Deno.test("who answers at once is never looked for", async () => {
  let looks = 0;
  const app = new Hono();
  app.use(watchDepartures(() => {
    looks += 1;
    return HERE;
  }, 1));
  app.post("/", (c) => c.text("a"));
  await app.request("/", { method: "POST" }, { remoteAddr });
  await new Promise((resolve) => setTimeout(resolve, 20));
  equal(looks, 0);
});
