/** `tgi models`: list, fetch and remove models on this disk. */

import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../log.ts";
import { hubCacheFolder, modelCacheFolder } from "../model_source/cache_folders.ts";
import { modelError } from "../model_source/model_error.ts";
import { DEFAULT_MODEL } from "../model_source/pinned_model.ts";
import {
  listModels,
  removeModel,
  type StoredModel,
  type StoredRevision,
} from "../model_source/stored_models.ts";
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
  const rows = stored.flatMap(rowsOf);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  for (const [id = "", revision = "", size = "", files = ""] of rows) {
    const names = `${id.padEnd(widths[0] ?? 0)}  ${revision.padEnd(widths[1] ?? 0)}`;
    output.write(`${names}  ${size.padStart(9)}  ${files}\n`);
  }
  const total = stored.reduce((bytes, model) => bytes + model.bytes, 0);
  if (!values.quiet) log.info`${bytesText(total)} in all`;
  return ExitCode.ok;
}

/** One row a revision; id, revision, size and what is in it. */
function rowsOf({ id, incompleteBytes, revisions }: StoredModel): string[][] {
  const rows = revisions.map((revision) => [
    id,
    [...revision.names, revision.commit?.slice(0, 8) ?? "package"].join(" "),
    bytesText(revision.bytes),
    filesText(revision),
  ]);
  if (incompleteBytes === 0 && rows.length > 0) return rows;
  return [...rows, [id, "", bytesText(incompleteBytes), "incomplete; tgi models fetch goes on"]];
}

function filesText({ ggufFiles, safetensorsFiles }: StoredRevision): string {
  const kinds = safetensorsFiles.length === 0
    ? ggufFiles
    : [`safetensors (${safetensorsFiles.length})`, ...ggufFiles];
  return kinds.length === 0 ? "no weights that can be served" : kinds.join(", ");
}

/** The path goes to standard output, for `$(tgi models fetch …)`. */
async function fetchModel(
  { values }: Settings,
  context: CommandContext,
  id: string = DEFAULT_MODEL.repository ?? "",
): Promise<number> {
  using stop = awaitStop();
  const model = await findModel({ ...values, modelId: id }, context, stop.signal, true);
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
  const { revision, huggingfaceHubCache } = values;
  const bytes = await removeModel(foldersOf(huggingfaceHubCache, variables), id, revision);
  if (bytes === null) {
    const what = revision === null ? id : `${id} at ${revision}`;
    throw modelError(`Cannot remove ${what}: it is not on this disk; tgi models lists what is.`);
  }
  log.info`Removed ${id}: ${bytesText(bytes)} are free again.`;
  return ExitCode.ok;
}

function foldersOf(chosen: string | null, variables: CommandContext["variables"]) {
  return { hub: hubCacheFolder(variables, chosen), own: modelCacheFolder(variables) };
}
