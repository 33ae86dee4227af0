/** Published clients, unmodified, against both servers; each check of a client is a step. */

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { type CommandLine, deno } from "../../scripts/steps.ts";
import { npmEnvironment, pythonEnvironment } from "./environment.ts";
import { reportOf } from "./report.ts";
import { startServers } from "./servers.ts";

const PYTHON = join(import.meta.dirname ?? ".", "python");
const NPM = join(import.meta.dirname ?? ".", "npm");

/** The program that runs a Python client's checks, in the client's environment. */
async function pythonChecks(name: string): Promise<CommandLine> {
  const program = await pythonEnvironment(join(PYTHON, name, "requirements.txt"));
  return { program, args: [join(PYTHON, "run.py"), join(PYTHON, name, "checks.py")] };
}

/** The same for npm. The clients want a Node newer than many machines have: this Deno stands in. */
async function npmChecks(name: string): Promise<CommandLine> {
  const folder = await npmEnvironment(join(NPM, name));
  // Packages are found from where the importing module lies.
  for (const file of ["run.mjs", join(name, "checks.mjs")]) {
    await Deno.copyFile(join(NPM, file), join(folder, basename(file)));
  }
  return deno("run", "-A", "--no-lock", join(folder, "run.mjs"));
}

const CLIENTS: Readonly<Record<string, () => Promise<CommandLine>>> = {
  "text-generation (Python)": () => pythonChecks("text_generation"),
  "huggingface_hub (Python)": () => pythonChecks("huggingface_hub"),
  "openai (Python)": () => pythonChecks("openai"),
  "langchain-openai (Python)": () => pythonChecks("langchain_openai"),
  "langchain-huggingface (Python)": () => pythonChecks("langchain_huggingface"),
  "openai (npm)": () => npmChecks("openai"),
  "@huggingface/inference (npm)": () => npmChecks("huggingface_inference"),
  "ai with @ai-sdk/openai-compatible (npm)": () => npmChecks("ai_sdk"),
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
