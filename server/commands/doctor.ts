/** `tgi doctor`: looks at everything that a start needs, and says what to do. */

import { getLogger } from "@logtape/logtape";
import { libraryFor, openLibrary } from "../../ffi/library.ts";
import { surveyMachine } from "../../ffi/survey.ts";
import type { Finding } from "../doctor/finding.ts";
import { ok } from "../doctor/finding.ts";
import { checkDriver, checkGpu } from "../doctor/gpu_checks.ts";
import {
  checkCores,
  checkMemory,
  checkProcessor,
  libraryMissing,
} from "../doctor/machine_checks.ts";
import { checkModel } from "../doctor/model_check.ts";
import { checkCache, checkDisk, checkPort } from "../doctor/place_checks.ts";
import { StartError } from "../errors.ts";
import { LOG_CATEGORY } from "../log.ts";
import { hubCacheFolder } from "../model_source/cache_folders.ts";
import type { FlagValues, Settings } from "../options.ts";
import { type Style, styleOf } from "../terminal/style.ts";
import { TextOutput } from "../terminal/text_output.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";

const log = getLogger([LOG_CATEGORY]);

/** Checks everything. @returns 0, or 1 when something fails. */
export async function doctor(settings: Settings, context: CommandContext): Promise<number> {
  const { values, warnings } = settings;
  for (const warning of warnings) log.warn`${warning}`;
  const findings = await findingsOf(values, context);
  const output = new TextOutput();
  if (values.json) output.write(`${JSON.stringify(findings)}\n`);
  else output.write(report(findings, styleOf(Deno.stdout)));
  return findings.some(({ state }) => state === "fail") ? ExitCode.failure : ExitCode.ok;
}

async function findingsOf(values: FlagValues, context: CommandContext): Promise<Finding[]> {
  const cache = hubCacheFolder(context.variables, values.huggingfaceHubCache);
  return [
    ok("program", `tgi ${context.version}, Deno ${Deno.version.deno}`),
    ...await coreFindings(values, context),
    await checkDriver(values.device),
    await checkCache(cache),
    await checkDisk(cache),
    checkPort(values.hostname, values.port),
  ];
}

/** What only the core knows. */
async function coreFindings(values: FlagValues, context: CommandContext): Promise<Finding[]> {
  let library: ReturnType<typeof openLibrary>;
  try {
    library = openLibrary(libraryFor(values));
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return [libraryMissing(error.message, values.device)];
  }
  using _library = { [Symbol.dispose]: () => library.close() };
  const machine = surveyMachine(library);
  return [
    ok("library", `${library.path} (${library.reason})`),
    checkProcessor(machine),
    checkCores(machine),
    checkMemory(machine),
    ...checkGpu(values.device, machine),
    await checkModel(values, context.variables, library),
  ];
}

/** One line a finding; what to do stands below. */
export function report(findings: readonly Finding[], style: Style): string {
  const colours = { ok: style.green, warn: style.yellow, fail: style.red };
  const lines = findings.flatMap(({ check, state, found, advice }) => [
    `${colours[state](state.padEnd(5))}${check.padEnd(11)}${found}`,
    ...(advice === null ? [] : [`${" ".repeat(16)}-> ${advice}`]),
  ]);
  const failed = findings.filter(({ state }) => state === "fail").length;
  const warned = findings.filter(({ state }) => state === "warn").length;
  const verdict = failed + warned === 0
    ? "All is well."
    : `${failed} failed, ${warned} to improve; the rest is well.`;
  return `${lines.join("\n")}\n\n${verdict}\n`;
}
