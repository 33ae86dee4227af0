/** The pages for users say something of every route and of every flag of TGI. */

import assert from "node:assert/strict";
import document from "../../openapi.json" with { type: "json" };
import { ENTRIES } from "../../server/options/command_line.ts";
import { kebab } from "../../server/options/flag.ts";

/** Flags of TGI's launcher 3.3, then those that its router had in 0.3.1 and the launcher not. */
const TGI_FLAGS = `
  model-id revision validation-workers sharded num-shard quantize speculate dtype kv-cache-dtype
  trust-remote-code max-concurrent-requests max-best-of max-stop-sequences max-top-n-tokens
  max-input-tokens max-input-length max-total-tokens waiting-served-ratio max-batch-prefill-tokens
  max-batch-total-tokens max-waiting-tokens max-batch-size cuda-graphs hostname port prometheus-port
  shard-uds-path master-addr master-port huggingface-hub-cache weights-cache-override
  disable-custom-kernels cuda-memory-fraction rope-scaling rope-factor json-output otlp-endpoint
  otlp-service-name cors-allow-origin api-key watermark-gamma watermark-delta ngrok ngrok-authtoken
  ngrok-edge tokenizer-config-path disable-grammar-support env max-client-batch-size lora-adapters
  usage-stats payload-limit enable-prefill-logprobs graceful-termination-timeout
  master-shard-uds-path tokenizer-name
`.trim().split(/\s+/);

function page(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../docs/${name}`, import.meta.url));
}

Deno.test("docs/api.md has a heading with an exchange for every route", async () => {
  const sections = (await page("api.md")).split(/^##+ /m);
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
  );
  for (const route of [...documented, "GET /docs/", "GET /api-doc/openapi.json"]) {
    const section = sections.find((text) => (text.split("\n")[0] ?? "").includes(`\`${route}\``));
    assert.match(section ?? assert.fail(`${route} has no heading`), /^\$ curl /m, route);
  }
});

Deno.test("every flag of TGI is accepted, and docs/from-tgi.md says what becomes of it", async () => {
  const text = await page("from-tgi.md");
  const ours = new Map(ENTRIES.map(([name, flag]) => [kebab(name), flag]));
  const without = text.split("These change nothing")[1]?.split("\n## ")[0] ?? "";
  for (const name of TGI_FLAGS) {
    const flag = ours.get(name) ?? assert.fail(`--${name} is not accepted`);
    assert.ok(text.includes(`\`--${name}\``) || text.includes(`\`--${name} `), name);
    assert.equal(without.includes(`\`--${name}\``), flag.ignored === true, `--${name}`);
  }
});

Deno.test("docs/from-tgi.md says of every native parameter what becomes of it", async () => {
  const text = await page("from-tgi.md");
  const { properties } = document.components.schemas.GenerateParameters;
  for (const name of Object.keys(properties)) assert.ok(text.includes(`\`${name}`), name);
});
