/**
 * Runs the checks of one client and prints their report as JSON.
 *
 * Lies beside `checks.mjs`, `package.json` and `node_modules`. The default export of the checks
 * gets the packages by name: they are not there where this project's types are checked.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";

const checks = [];

const WAIT_MILLIS = 20_000;
const CHECK_MILLIS = 60_000;

const model = { url: process.env.MODEL_URL, key: process.env.MODEL_KEY };
const scripted = { url: process.env.SCRIPTED_URL, key: "none" };

/** How many requests the scripted server counts as dropped. */
async function dropped() {
  const text = await (await fetch(`${scripted.url}/metrics`)).text();
  return Number(/^tgi_request_failure\{err="dropped"\} (\d+)$/m.exec(text)[1]);
}

/** Does the work, in which the scripted server has to count one request as dropped. */
async function oneDropped(work) {
  const after = await dropped() + 1;
  await work();
  const end = Date.now() + WAIT_MILLIS;
  while (await dropped() !== after) {
    assert.ok(Date.now() < end, `${after} dropped requests did not come within ${WAIT_MILLIS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The error of this kind that the work ends with. */
async function raised(kind, work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof kind, error);
    return error;
  }
  throw new Error(`no ${kind.name} was raised`);
}

/** How the work ended: null, or its error's text; one that takes too long fails. */
async function outcome(work) {
  const late = Promise.withResolvers();
  const words = `the check took more than ${CHECK_MILLIS} ms`;
  const timer = setTimeout(() => late.reject(new Error(words)), CHECK_MILLIS);
  try {
    await Promise.race([work(), late.promise]);
    return null;
  } catch (error) {
    return error?.stack ?? String(error);
  } finally {
    clearTimeout(timer);
  }
}

const citySchema = {
  type: "object",
  properties: { city: { type: "string", maxLength: 12 } },
  required: ["city"],
  additionalProperties: false,
};

const beside = (file) => new URL(file, import.meta.url);
const { dependencies } = JSON.parse(await readFile(beside("package.json"), "utf8"));
const packages = {};
for (const name of Object.keys(dependencies)) packages[name] = await import(name);
const { default: declare } = await import(beside("checks.mjs").href);
declare({
  check: (name, work) => checks.push({ name, work }),
  packages,
  model,
  scripted,
  oneDropped,
  raised,
  citySchema,
  question: [{ role: "user", content: "What is the capital of France?" }],
});
const report = [];
for (const { name, work } of checks) report.push({ name, error: await outcome(work) });
process.stdout.write(JSON.stringify({ checks: report }));
// A check that took too long may still hold a connection.
process.exit(0);
