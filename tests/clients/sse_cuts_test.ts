/** A published parser of event streams reads ours, however the network cuts the bytes. */

import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { KEY, startServers } from "./servers.ts";

/** Data of each event, from bytes that come in these pieces. */
function eventsOf(pieces: readonly Uint8Array[]): string[] {
  const events: string[] = [];
  const parser = createParser({
    onEvent: ({ data }) => events.push(data),
    onError: (error) => {
      throw error;
    },
  });
  const decoder = new TextDecoder();
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }));
  return events;
}

/** The bytes, cut at these places. */
function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

/** Asks for a stream to its end. */
async function streamed(url: string, body: unknown): Promise<Uint8Array> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(reply.headers.get("content-type"), "text/event-stream");
  return await reply.bytes();
}

Deno.test("every cut of a stream in pieces gives the same events, each of them JSON", async () => {
  await using servers = await startServers();
  const { scripted: { url }, model } = servers;
  const parameters = { max_new_tokens: 12, top_n_tokens: 2, details: true };
  const limits = { max_tokens: 12, stream: true, stream_options: { include_usage: true } };
  const messages = [{ role: "user", content: "Hello 🦕" }];
  const streams = [
    await streamed(`${url}/generate_stream`, { inputs: "Hello", parameters }),
    await streamed(`${url}/v1/completions`, { ...limits, prompt: "Hello 🦕", echo: true }),
    await streamed(`${model.url}/v1/chat/completions`, { ...limits, messages, logprobs: true }),
  ];
  for (const bytes of streams) {
    const whole = eventsOf([bytes]);
    assert.ok(whole.length > 1, `${whole.length} events`);
    for (const data of whole) {
      if (data !== "[DONE]") assert.equal(typeof JSON.parse(data), "object");
    }
    const places = fc.array(fc.nat({ max: bytes.length }), { maxLength: 40 });
    fc.assert(
      fc.property(places, (places) => assert.deepEqual(eventsOf(cutAt(bytes, places)), whole)),
      { numRuns: 200 },
    );
  }
});
