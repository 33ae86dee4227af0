import { deepEqual } from "node:assert/strict";
import { Engine } from "../../ffi/engine.ts";
import { openEngine, scripted } from "./support.ts";

/** Both ends of a connection of this process, and the client's name. */
async function connection() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [client, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  const { hostname, port: from } = accepted.remoteAddr as Deno.NetAddr;
  return { client, accepted, peer: `${hostname} ${from}` };
}

Deno.test("the core tells of each client whether it is here, has left, or is nowhere", async () => {
  await using engine = await openEngine();
  const [staying, leaving] = [await connection(), await connection()];
  using _staying = staying.client;
  using _accepted = staying.accepted;
  using _other = leaving.accepted;
  const stranger = "127.0.0.1 1";
  const many = Array.from({ length: 500 }, () => staying.peer);
  deepEqual(engine.presence([stranger, ...many]), { here: [staying.peer], left: [] });
  leaving.client.close();
  const all = [staying.peer, leaving.peer, stranger];
  while (engine.presence(all).left.length === 0) await new Promise((go) => setTimeout(go, 1));
  deepEqual(engine.presence(all), { here: [staying.peer], left: [leaving.peer] });
});

Deno.test("a closed engine lets all stay", async () => {
  const engine = await Engine.open(scripted());
  await engine.close();
  deepEqual(engine.presence(["127.0.0.1 1"]), { here: ["127.0.0.1 1"], left: [] });
});
