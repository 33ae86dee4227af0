/** Prometheus' own linter over what a server tells of itself. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { generous } from "../e2e/generous.ts";
import { generation, startScripted } from "../e2e/server.ts";
import { ensureFolder, must } from "./environment.ts";

/** The program out of Debian's package, fetched once. */
async function promtool(): Promise<string> {
  const folder = await ensureFolder(["promtool of Debian's prometheus"], async (folder) => {
    const unpack =
      "apt-get download -q prometheus && dpkg -x prometheus_*.deb . && rm -r *.deb etc";
    await must("sh", ["-c", unpack], folder);
  });
  return join(folder, "usr", "bin", "promtool");
}

/** What the linter says of a text, one line each. */
async function lint(metrics: string): Promise<string[]> {
  const linter = new Deno.Command(await promtool(), {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = linter.stdin.getWriter();
  await writer.write(new TextEncoder().encode(metrics));
  await writer.close();
  const { stdout, stderr } = await generous(linter.output(), "promtool's end");
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return text.split("\n").filter((line) => line !== "").sort();
}

const NO_TOTAL = 'counter metrics should have "_total" suffix';
const COUNT = 'non-histogram and non-summary metrics should not have "_count" suffix';

Deno.test("promtool finds nothing in our metrics but the names that TGI gave its counters", async () => {
  await using server = await startScripted();
  const answer = await fetch(`${server.url}/generate`, generation("Hello", { max_new_tokens: 3 }));
  assert.equal(answer.status, 200, await answer.text());
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^tgi_request_success 1$/m);
  assert.deepEqual(await lint(metrics), [
    `tgi_batch_concat ${NO_TOTAL}`,
    `tgi_batch_inference_count ${NO_TOTAL}`,
    `tgi_batch_inference_count ${COUNT}`,
    `tgi_batch_inference_failure ${NO_TOTAL}`,
    `tgi_batch_inference_success ${NO_TOTAL}`,
    `tgi_request_count ${NO_TOTAL}`,
    `tgi_request_count ${COUNT}`,
    `tgi_request_failure ${NO_TOTAL}`,
    `tgi_request_success ${NO_TOTAL}`,
  ]);
});
