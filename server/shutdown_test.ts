import assert from "node:assert/strict";
import { awaitStop, drain } from "./shutdown.ts";

/** A server that has written everything when `write` is called, and a core that closes. */
function parts() {
  const events: string[] = [];
  const written = Promise.withResolvers<void>();
  return {
    events,
    write: () => {
      events.push("written");
      written.resolve();
    },
    server: {
      shutdown: () => {
        events.push("stops accepting");
        return written.promise;
      },
    },
  };
}

Deno.test("an idle server is drained and its core closed", async () => {
  const { events, server, write } = parts();
  write();
  const close = () => Promise.resolve(void events.push("core closed"));
  assert.equal(await drain({ server, engine: { close }, graceMillis: 60_000 }), true);
  assert.deepEqual(events, ["written", "stops accepting", "core closed"]);
});

Deno.test("open requests finish before the core is closed", async () => {
  const { events, server, write } = parts();
  const close = () => Promise.resolve(void events.push("core closed"));
  const drained = drain({ server, engine: { close }, graceMillis: 60_000 });
  setTimeout(write, 5);
  assert.equal(await drained, true);
  assert.deepEqual(events, ["stops accepting", "written", "core closed"]);
});

Deno.test("after the grace period the core ends what is open, and that is written", async () => {
  const { events, server, write } = parts();
  const close = () => {
    events.push("core closed");
    setTimeout(write, 5);
    return Promise.resolve();
  };
  assert.equal(await drain({ server, engine: { close }, graceMillis: 5 }), false);
  assert.deepEqual(events, ["stops accepting", "core closed", "written"]);
});

Deno.test("a reader that never takes its last event does not hold the server", async () => {
  const { events, server } = parts();
  const close = () => Promise.resolve(void events.push("core closed"));
  const draining = { server, engine: { close }, graceMillis: 0, lastWriteMillis: 5 };
  assert.equal(await drain(draining), false);
  assert.deepEqual(events, ["stops accepting", "core closed"]);
});

Deno.test("the first signal asks, the second one ends the process", async () => {
  const exited = Promise.withResolvers<number>();
  const awake = setInterval(() => {}, 1000); // Listening for signals alone does not hold the loop.
  using stop = awaitStop(exited.resolve);
  assert.equal(stop.signal.aborted, false);
  Deno.kill(Deno.pid, "SIGTERM");
  await stop.asked;
  assert.equal(stop.signal.aborted, true);
  Deno.kill(Deno.pid, "SIGTERM");
  assert.equal(await exited.promise, 143);
  clearInterval(awake);
});
