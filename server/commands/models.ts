/** `tgi models`: list, fetch and remove models on this disk. */

import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../log.ts";
import { hubCacheFolder, modelCacheFolder } from "../model_source/cache_folders.ts";
import { modelError } from "../model_source/model_error.ts";
import { DEFAULT_MODEL } from "../model_source/pinned_model.ts";
import { listModels, removeModel, type StoredModel } from "../model_source/stored_models.ts";
import type { Settings } from "../options.ts";
import { usageError } from "../options/flag.ts";
import { awaitStop } from "../shutdown.ts";
import { bytesText } from "../terminal/bytes.ts";
import { TextOutput } from "../terminal/text_output.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { findModel } from "./open_model.ts";

const log = getLogger([LOG_CATEGORY]);

/** Does what the first operand says. */
export async function models(settings: Settings, context: CommandContext): Promise<number> {
  const [action = "list", id] = settings.operands;
  for (const warning of settings.warnings) log.warn`${warning}`;
  switch (action) {
    case "fetch":
      return await fetchModel(settings, context, id);
    case "remove":
      return await remove(settings, context, id);
    default:
      return await list(settings, context);
  }
}

async function list({ values }: Settings, { variables }: CommandContext): Promise<number> {
  const folders = foldersOf(values.huggingfaceHubCache, variables);
  const stored = await listModels(folders);
  const output = new TextOutput();
  if (values.json) {
    output.write(`${JSON.stringify(stored)}\n`);
    return ExitCode.ok;
  }
  if (stored.length === 0) {
    log.info`No models in ${folders.hub}; tgi models fetch gets the default one.`;
    return ExitCode.ok;
  }
  const width = Math.max(...stored.map(({ id }) => id.length));
  for (const model of stored) output.write(`${rowOf(model, width)}\n`);
  const total = stored.reduce((bytes, model) => bytes + model.bytes, 0);
  if (!values.quiet) log.info`${bytesText(total)} in all`;
  return ExitCode.ok;
}

function rowOf({ id, bytes, ggufFiles }: StoredModel, width: number): string {
  const files = ggufFiles.length === 0 ? "no .gguf file: cannot be served" : ggufFiles.join(", ");
  return `${id.padEnd(width)}  ${bytesText(bytes).padStart(9)}  ${files}`;
}

/** The path goes to standard output, for `$(tgi models fetch …)`. */
async function fetchModel(
  { values }: Settings,
  context: CommandContext,
  id: string = DEFAULT_MODEL.repository ?? "",
): Promise<number> {
  using stop = awaitStop();
  const model = await findModel({ ...values, modelId: id }, context, stop.signal);
  if (model === null) return ExitCode.interrupted;
  log.info`${id}: ${model.origin}`;
  new TextOutput().write(`${model.path}\n`);
  return ExitCode.ok;
}

async function remove(
  { values }: Settings,
  { variables }: CommandContext,
  id: string | undefined,
): Promise<number> {
  if (id === undefined) throw usageError("Cannot remove a model without its id. See --help.");
  const bytes = await removeModel(foldersOf(values.huggingfaceHubCache, variables), id);
  if (bytes === null) {
    throw modelError(`Cannot remove ${id}: it is not on this disk; tgi models lists what is.`);
  }
  log.info`Removed ${id}: ${bytesText(bytes)} are free again.`;
  return ExitCode.ok;
}

function foldersOf(chosen: string | null, variables: CommandContext["variables"]) {
  return { hub: hubCacheFolder(variables, chosen), own: modelCacheFolder(variables) };
}
