/**
 * schemathesis over the document that the server serves: whatever is asked, no reply is a 5xx, and
 * each has a status, a content type and a body that the document names.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { runQuietly } from "../../scripts/packaging/quiet.ts";
import { generous } from "../e2e/generous.ts";
import { type RunningServer, startScripted } from "../e2e/server.ts";
import { pythonEnvironment } from "./environment.ts";

const REQUIREMENTS = join(
  import.meta.dirname ?? ".",
  "python",
  "schemathesis",
  "requirements.txt",
);

/**
 * What each reply is held against. Left out are the two checks of what is accepted: a schema cannot
 * say all of TGI's rules, and its clients send nulls and fields that no schema has.
 */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "unsupported_method",
  "allow_header_conformance",
];

/** Cases that Hypothesis invents for an operation, beside those for each keyword of its schema. */
const MAX_EXAMPLES = 10;

/** Longest run, ms: far more than it takes. */
const LIMIT_MILLIS = 300_000;

/** What this test reads of schemathesis' own report. */
const Report = z.object({
  stop_reason: z.string(),
  complete: z.boolean(),
  operations: z.object({ total: z.int(), tested: z.int(), errored: z.int() }),
  test_cases: z.object({ generated: z.int(), with_failures: z.int(), errored: z.int() }),
  failures: z.array(z.unknown()),
  errors: z.array(z.unknown()),
  valid_rates: z.record(
    z.string(),
    z.record(z.string(), z.object({ accepted: z.int(), rejected: z.int() })),
  ),
});

type Report = z.infer<typeof Report>;

/**
 * The document in the words that schemathesis reads. TGI's own has bounds as numbers, which
 * OpenAPI 3.0 writes as a flag beside `minimum`; and schemathesis takes the schema of an event
 * stream for that of its frames, which `tests/contract/event_schemas_test.ts` holds against it.
 */
function readable(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(readable);
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(
    Object.entries(part).flatMap(([key, value]) => {
      if (key === "text/event-stream") return [[key, {}]];
      const bound = /^exclusive(Minimum|Maximum)$/.exec(key)?.[1];
      if (bound === undefined || typeof value !== "number") return [[key, readable(value)]];
      return [[bound.toLowerCase(), value], [key, true]];
    }),
  );
}

/** The report of a run; the same server and document give the same cases each time. */
async function reportOf(server: RunningServer, operations: readonly string[]): Promise<Report> {
  const folder = await Deno.makeTempDir();
  try {
    const document = await (await fetch(`${server.url}/api-doc/openapi.json`)).json();
    await Deno.writeTextFile(join(folder, "document.json"), JSON.stringify(readable(document)));
    const program = await pythonEnvironment(REQUIREMENTS);
    const run = runQuietly({
      program,
      args: [
        ...["-c", "from schemathesis.cli import schemathesis; schemathesis()"],
        ...["run", "document.json", "--url", server.url, "--checks", CHECKS.join(",")],
        ...["--generation-deterministic", "--max-examples", String(MAX_EXAMPLES)],
        ...["--report", "json", "--report-json-path", "report.json"],
        ...operations.flatMap((id) => ["--include-operation-id", id]),
      ],
    }, folder);
    const { lastWords } = await generous(run, "the report of schemathesis", LIMIT_MILLIS);
    const text = await Deno.readTextFile(join(folder, "report.json"))
      .catch(() => assert.fail(`schemathesis left no report: ${lastWords}`));
    return Report.parse(JSON.parse(text));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** All operations were tried in at least so many cases, and not one failed. */
function assertAllPassed(report: Report, operations: number, cases: number): void {
  assert.deepEqual([report.failures, report.errors], [[], []]);
  assert.deepEqual([report.stop_reason, report.complete], ["completed", true]);
  assert.equal(report.operations.tested, operations);
  assert.equal(report.operations.errored, 0);
  const { generated, with_failures, errored } = report.test_cases;
  assert.deepEqual([with_failures, errored], [0, 0]);
  assert.ok(generated >= cases, `${generated} cases`);
}

/** More cases of an operation than these were answered with a 2xx. */
function assertAccepted(report: Report, operation: string, cases: number): void {
  const phases = report.valid_rates[operation] ?? {};
  const accepted = Object.values(phases).reduce((sum, phase) => sum + phase.accepted, 0);
  assert.ok(accepted > cases, `${accepted} accepted at ${operation}`);
}

/** The example that the document's own examples make of a body was answered with a 2xx. */
function assertExample(report: Report, operation: string): void {
  const { examples } = report.valid_rates[operation] ?? {};
  assert.deepEqual(examples, { accepted: 1, rejected: 0 }, operation);
}

Deno.test("schemathesis finds no reply of any operation outside of the document", async () => {
  await using server = await startScripted(["--max-total-tokens", "256"]);
  const report = await reportOf(server, []);
  assertAllPassed(report, report.operations.total, 4000);
  for (const path of ["/", "/generate", "/generate_stream", "/tokenize", "/v1/completions"]) {
    assertAccepted(report, `POST ${path}`, 20);
    assertExample(report, `POST ${path}`);
  }
});

Deno.test("schemathesis finds no reply to a chat outside of the document", async () => {
  const model = ["--model-id", "tests/fixtures/tiny-llama-awq", "--max-total-tokens", "48"];
  // The last --backend counts; the scripted one has no template.
  await using server = await startScripted(["--backend", "cpu", ...model]);
  const report = await reportOf(server, ["chat_completions", "get_chat_tokenize"]);
  assertAllPassed(report, 2, 800);
  for (const path of ["/v1/chat/completions", "/chat_tokenize"]) {
    assertAccepted(report, `POST ${path}`, 100);
  }
  // With its tool a chat is too long for this model.
  assertExample(report, "POST /chat_tokenize");
});
