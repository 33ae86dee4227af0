import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { event, EventStream, type EventStreamListener, TextArena } from "./sse.ts";

/** A stream, and the names of what its listener was told. */
function listened(keepAliveMillis = 60_000) {
  const calls: string[] = [];
  const listener: EventStreamListener = {
    opened: () => void calls.push("opened"),
    cancelled: () => void calls.push("cancelled"),
    congested: () => void calls.push("congested"),
    drained: () => void calls.push("drained"),
  };
  return { stream: new EventStream(listener, keepAliveMillis), calls };
}

Deno.test("an event is one data line with a blank, and a blank line", () => {
  assert.equal(event('{"a":1}'), 'data: {"a":1}\n\n');
});

Deno.test("a standard parser reads every event back", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "grapheme" })), (texts) => {
    const read: unknown[] = [];
    const parser = createParser({ onEvent: ({ data }) => void read.push(JSON.parse(data)) });
    parser.feed(texts.map((text) => event(JSON.stringify(text))).join(""));
    assert.deepEqual(read, texts);
  }));
});

Deno.test("encoded texts keep their bytes while others are encoded", () => {
  const arena = new TextArena();
  const text = (length: number, seed: number) => String.fromCodePoint(0x4e00 + seed).repeat(length);
  const lengths = [0, 1, 5000, 7000, 10000, 21845, 21846, 40000, 3];
  const parts = lengths.map((length, seed) => arena.encode(text(length, seed)));
  parts.forEach((bytes, seed) => {
    assert.equal(new TextDecoder().decode(bytes), text(lengths[seed]!, seed));
  });
});

Deno.test("any text comes back from its bytes", () => {
  const arena = new TextArena();
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 3000 }), (text) => {
    assert.deepEqual(arena.encode(text), new TextEncoder().encode(text));
  }));
});

Deno.test("the first write opens the stream, once", async () => {
  const { stream, calls } = listened();
  assert.equal(stream.isOpen, false);
  stream.write("a");
  stream.write("b");
  stream.close();
  assert.equal(stream.isOpen, true);
  assert.deepEqual(calls, ["opened"]);
  assert.equal(await new Response(stream.body).text(), "ab");
});

Deno.test("nothing is written after the end or after the reader has gone", async () => {
  const ended = listened().stream;
  ended.write("a");
  ended.close();
  ended.write("b");
  ended.close();
  assert.equal(await new Response(ended.body).text(), "a");
  const { stream, calls } = listened();
  await stream.body.cancel();
  stream.write("a");
  stream.close();
  assert.deepEqual(calls, ["cancelled"]);
});

Deno.test("a full stream asks for a pause once, and for more when it was read", async () => {
  const { stream, calls } = listened();
  const chunk = "x".repeat(32 * 1024);
  for (let count = 0; count < 12; count += 1) stream.write(chunk);
  assert.deepEqual(calls, ["opened", "congested"]);
  const reader = stream.body.getReader();
  for (let count = 0; count < 9; count += 1) await reader.read();
  assert.deepEqual(calls, ["opened", "congested"], "96 KiB still wait");
  for (let count = 0; count < 2; count += 1) await reader.read();
  assert.deepEqual(calls, ["opened", "congested", "drained"]);
  stream.close();
});

Deno.test("a stream with events now and then gets no comment", async () => {
  const { stream } = listened(200);
  for (let count = 0; count < 5; count += 1) {
    stream.write("e");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  stream.close();
  assert.equal(await new Response(stream.body).text(), "eeeee");
});
