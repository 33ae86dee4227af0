/** What the core counts of a request, as its client and its log line have it. */

import assert from "node:assert/strict";
import { z } from "zod";
import { GenerateResponse } from "../../server/schemas/responses.ts";
import { generation, type RunningServer, startScripted } from "./server.ts";

const millis = z.string().regex(/^\d+\.\d{3}ms$/);

/** The line of a request that was answered. */
const Line = z.object({
  level: z.literal("INFO"),
  message: z.literal("Success"),
  request_id: z.string(),
  total_time: millis,
  queue_time: millis,
  prefill_time: millis,
  decode_time: millis,
  cached_tokens: z.int(),
  drafted_tokens: z.int(),
  accepted_tokens: z.int(),
});

/** The first line of the log with this text, once it is read. */
async function lineWith(server: RunningServer, text: string): Promise<string> {
  for (;;) {
    const line = server.log().split("\n").slice(0, -1).find((line) => line.includes(text));
    if (line !== undefined) return line;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("headers, details and log agree on the cached, drafted and accepted tokens of a request", async () => {
  await using server = await startScripted(["--json-output", "--speculate", "3"]);
  const inputs = "one two three ".repeat(40);
  const parameters = { max_new_tokens: 60, accounting: true, repetition_penalty: 0.5 };
  const ask = async (id: string) => {
    const asked = generation(inputs, parameters);
    const headers = { "content-type": "application/json", "x-request-id": id };
    const response = await fetch(`${server.url}/generate`, { ...asked, headers });
    const { details } = GenerateResponse.parse(await response.json());
    return { headers: response.headers, accounting: details?.accounting };
  };
  await ask("first");
  const { headers, accounting } = await ask("second");
  assert.ok(accounting);
  const { cached_tokens, drafted_tokens, accepted_tokens } = accounting;
  assert.ok(cached_tokens > 0 && drafted_tokens > 0, JSON.stringify(accounting));
  assert.ok(accepted_tokens <= drafted_tokens, JSON.stringify(accounting));
  assert.ok(accounting.prefill_time > 0 && accounting.decode_time > 0);
  const counts = { cached_tokens, drafted_tokens, accepted_tokens };
  for (const [name, value] of Object.entries(counts)) {
    assert.equal(headers.get(`x-${name.replace("_", "-")}`), String(value));
  }
  assert.equal(headers.get("x-request-id"), "second");
  const line = Line.parse(JSON.parse(await lineWith(server, '"second"')));
  assert.deepEqual({ ...line, ...counts }, line);
  assert.equal(line.prefill_time, `${accounting.prefill_time.toFixed(3)}ms`);
});
