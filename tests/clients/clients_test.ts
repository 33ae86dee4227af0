/** Published clients, unmodified, against both servers; each check of a client is a step. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { CommandLine } from "../../scripts/steps.ts";
import { pythonEnvironment } from "./environment.ts";
import { reportOf } from "./report.ts";
import { startServers } from "./servers.ts";

const PYTHON = join(import.meta.dirname ?? ".", "python");

/** The program that runs a Python client's checks, in the client's environment. */
async function pythonChecks(name: string): Promise<CommandLine> {
  const program = await pythonEnvironment(join(PYTHON, name, "requirements.txt"));
  return { program, args: [join(PYTHON, "run.py"), join(PYTHON, name, "checks.py")] };
}

const CLIENTS: Readonly<Record<string, () => Promise<CommandLine>>> = {
  "text-generation (Python)": () => pythonChecks("text_generation"),
  "huggingface_hub (Python)": () => pythonChecks("huggingface_hub"),
  "openai (Python)": () => pythonChecks("openai"),
};

for (const [name, checksOf] of Object.entries(CLIENTS)) {
  Deno.test(`${name} gets what it asks for`, async (t) => {
    const program = await checksOf();
    await using servers = await startServers();
    for (const { name, error } of await reportOf(program, servers)) {
      await t.step(name, () => assert.equal(error, null, error ?? ""));
    }
  });
}
