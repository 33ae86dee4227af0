/**
 * Every check and every test; the last line is `N passed, N failed`.
 *
 * Usage: deno task test [--help]
 */

import { buildCore } from "./build.ts";
import { runChecks } from "./check.ts";
import { fetchTestModels } from "./models.ts";
import { cargo, deno, type Ended, print, run, say, step } from "./steps.ts";

const HELP = `Usage: deno task test

Runs deno task check, builds the core, fetches the models of the tests, and runs the tests of
Rust and Deno. A check or a build that fails counts as one failed.`;

/** Tests that ran. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** What cargo prints for each test program. */
const CARGO_RESULT = /^test result: \S+ (\d+) passed; (\d+) failed/gm;

/** What Deno prints at the end; test steps stand in parentheses. */
const DENO_RESULT = /^(?:ok|FAILED) \| (\d+) passed[^|]*\| (\d+) failed/gm;

/**
 * Adds up the results in a runner's output. A runner that failed without a failed test (it did
 * not compile, say) counts as one failed.
 */
function tally({ success, output }: Ended, result: RegExp): Tally {
  let passed = 0;
  let failed = 0;
  for (const [, good, bad] of output.matchAll(result)) {
    passed += Number(good);
    failed += Number(bad);
  }
  return { passed, failed: success || failed > 0 ? failed : 1 };
}

/** Results of cargo's test programs. */
export function tallyCargo(ended: Ended): Tally {
  return tally(ended, CARGO_RESULT);
}

/** Result of Deno's test runner. */
export function tallyDeno(ended: Ended): Tally {
  return tally(ended, DENO_RESULT);
}

async function runTests(): Promise<Tally> {
  const failedChecks = (await runChecks()).length;
  const built = await step("build", () => buildCore());
  const models = await step("models", fetchModels);
  const env = { NO_COLOR: "1", ...(models === null ? {} : { TGI_TEST_MODELS: models }) };
  const tests = [
    await step("cargo test", async () => {
      const all = cargo("test", "--release", "--locked", "--workspace", "--no-fail-fast");
      return tallyCargo(await run({ ...all, env: { ...all.env, ...env } }, true));
    }),
    await step("deno test", async () => {
      return tallyDeno(await run({ ...deno("test", "-A", "--frozen", "--quiet"), env }, true));
    }),
  ];
  return {
    passed: sum(tests.map(({ passed }) => passed)),
    failed: sum(tests.map(({ failed }) => failed)) + failedChecks + (built ? 0 : 1) +
      (models === null ? 1 : 0),
  };
}

async function fetchModels(): Promise<string | null> {
  try {
    return await fetchTestModels();
  } catch (error) {
    say(`Cannot fetch the models: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  const { passed, failed } = await step("all", runTests);
  print(`${passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}
