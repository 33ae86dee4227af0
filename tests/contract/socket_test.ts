import assert from "node:assert/strict";
import type { FakeEngine } from "./fake_engine.ts";
import { metric, settle, start, until } from "./harness.ts";

const encoder = new TextEncoder();

/** A server on a free port, and a raw connection that has sent `request`. */
async function withConnection(
  request: string,
  work: (parts: { connection: Deno.TcpConn; engine: FakeEngine; app: App }) => Promise<void>,
  automatic = false,
): Promise<void> {
  const { app, engine } = start({ automatic });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, app.fetch);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  try {
    await connection.write(encoder.encode(request));
    await work({ connection, engine, app });
  } finally {
    connection.close();
    await server.shutdown();
  }
}

type App = ReturnType<typeof start>["app"];

/** A request as it goes over the wire. */
function postText(path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`;
}

/** Reads until what came ends with `end`. */
async function readUntil(connection: Deno.TcpConn, end: string): Promise<string> {
  const buffer = new Uint8Array(65536);
  let text = "";
  while (!text.endsWith(end)) {
    const length = await connection.read(buffer);
    if (length === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
  return text;
}

/** Hangs up without closing the handle twice. */
function hangUp(connection: Deno.TcpConn): Promise<void> {
  return connection.closeWrite();
}

for (const path of ["/generate", "/generate_stream", "/"]) {
  Deno.test(`a client of ${path} that hangs up in the queue frees its request`, async () => {
    await withConnection(postText(path, '{"inputs":"a"}'), async ({ connection, engine, app }) => {
      await until(() => engine.requests.length === 1);
      await hangUp(connection);
      await until(() => engine.requests[0]!.state === "cancelled");
      assert.equal(await metric(app, 'tgi_request_failure{err="dropped"}'), 1);
    });
  });
}

Deno.test("a client that hangs up in the middle of a stream frees its sequence", async () => {
  const request = postText("/generate_stream", '{"inputs":"a"}');
  await withConnection(request, async ({ connection, engine, app }) => {
    await until(() => engine.requests.length === 1);
    engine.step();
    await readUntil(connection, "\n\n\r\n");
    await hangUp(connection);
    await until(() => engine.requests[0]!.state === "cancelled");
    assert.equal(await metric(app, 'tgi_request_failure{err="dropped"}'), 1);
  });
});

Deno.test("a stream over a socket is one chunk a step, then the end", async () => {
  const body = '{"inputs":"a","parameters":{"max_new_tokens":2}}';
  await withConnection(postText("/generate_stream", body), async ({ connection, engine }) => {
    await until(() => engine.requests.length === 1);
    engine.step();
    const head = await readUntil(connection, "\n\n\r\n");
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /\r\n\r\n[0-9a-f]+\r\ndata: \{"index":1,.*\}\n\n\r\n$/);
    engine.step();
    assert.match(
      await readUntil(connection, "\r\n0\r\n\r\n"),
      /^[0-9a-f]+\r\ndata: \{"index":2,.*"generated_text":" one two","details":null\}\n\n\r\n0\r\n\r\n$/,
    );
  });
});

Deno.test("a chunked body past the limit is refused while it still comes", async () => {
  const head = "POST /generate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
    "transfer-encoding: chunked\r\n\r\n";
  const chunk = `3e8\r\n${" ".repeat(1000)}\r\n`;
  await withConnection(head + chunk.repeat(3), async ({ connection }) => {
    assert.match(await readUntil(connection, "}"), /^HTTP\/1\.1 413 /);
  });
});

Deno.test("a client that leaves in the middle of its body gives its permit back", async () => {
  const head = "POST /generate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
    "content-length: 100\r\n\r\n{";
  await withConnection(head, async ({ connection, app, engine }) => {
    await hangUp(connection);
    await untilAsync(async () => (await metric(app, "tgi_request_count")) === 1);
    await untilAsync(async () =>
      (await metric(app, 'tgi_request_failure{err="validation"}')) === 1
    );
    assert.equal(engine.requests.length, 0);
  });
});

Deno.test("a reader that stops reading pauses itself, others go on, and it resumes", async () => {
  const body = '{"inputs":"<big>","parameters":{"max_new_tokens":100000}}';
  await withConnection(postText("/generate_stream", body), async ({ connection, engine, app }) => {
    await until(() => engine.requests.length === 1);
    const [slow] = engine.requests;
    for (let step = 0; step < 5000 && !slow!.isPaused; step += 1) {
      engine.step();
      await settle();
    }
    assert.ok(slow!.isPaused, "paused before 80 MB were written");
    const other = app.request("/generate", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"inputs":"a","parameters":{"max_new_tokens":2}}',
    });
    await until(() => engine.requests.length === 2);
    engine.step();
    engine.step();
    assert.equal((await other).status, 200);
    const buffer = new Uint8Array(1 << 20);
    while (slow!.isPaused) await connection.read(buffer);
    assert.equal(slow!.state, "running");
  });
});

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await settle();
}
