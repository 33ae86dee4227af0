import { equal, rejects } from "node:assert/strict";
import { fetchWhole, HubUnreachable, RangeIgnored } from "./hub_fetch.ts";
import { HubRefusal } from "./hub_refusal.ts";

/** A host that answers by its handler. */
function startHost(handler: (request: Request) => Response) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function address(endpoint: string) {
  const token = { secret: "hf_secret", source: "HF_TOKEN" };
  return { endpoint, token, headMillis: 5000, signal: new AbortController().signal };
}

const WITH_TOKEN = { headers: { authorization: "Bearer hf_secret" } };

/** Tells the `authorization` that it got. */
function mirror(request: Request): Response {
  return new Response(request.headers.get("authorization") ?? "none");
}

Deno.test("no other host gets the token, neither named by the hub nor by a redirect", async () => {
  await using other = startHost(mirror);
  await using hub = startHost((request) =>
    request.url.endsWith("/away")
      ? Response.redirect(`${other.endpoint}/there`, 307)
      : mirror(request)
  );
  const send = fetchWhole(address(`${hub.endpoint}/`));
  const told = async (url: string) => await (await send(url, WITH_TOKEN)).text();
  equal(await told(`${hub.endpoint}/here`), "Bearer hf_secret");
  equal(await told(`${hub.endpoint}/away`), "none");
  equal(await told(`${other.endpoint}/there`), "none");
  equal(await told(`${hub.endpoint.replace("127.0.0.1", "localhost")}/here`), "none");
});

Deno.test("a status is told apart: refused, busy, or a range that is ignored", async () => {
  await using hub = startHost((request) => {
    const status = Number(new URL(request.url).pathname.slice(1));
    return new Response(null, { status, headers: { "retry-after": "2", "x-error-code": "Gated" } });
  });
  const send = fetchWhole(address(hub.endpoint));
  await rejects(
    send(`${hub.endpoint}/403`),
    (error) => error instanceof HubRefusal && error.status === 403 && error.code === "Gated",
  );
  for (const status of [429, 503]) {
    await rejects(
      send(`${hub.endpoint}/${status}`),
      (error) => error instanceof HubUnreachable && error.retryMillis === 2000,
    );
  }
  await rejects(
    send(`${hub.endpoint}/200`, { headers: { range: "bytes=10-19" } }),
    (error) => error instanceof RangeIgnored,
  );
});

Deno.test("a body that stalls counts as no answer", async () => {
  await using hub = startHost(() => new Response(new ReadableStream({ start: () => {} })));
  await rejects(
    fetchWhole({ ...address(hub.endpoint), headMillis: 50 })(hub.endpoint),
    (error) => error instanceof HubUnreachable && error.message === "no answer within 0.05 s",
  );
});
