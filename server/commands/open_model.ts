/** From flags to an open core: shared by every command that computes. */

import { capturedGraphs } from "../../ffi/captured.ts";
import { Engine } from "../../ffi/engine.ts";
import { type CoreLibrary, libraryFor, openLibrary } from "../../ffi/library.ts";
import { StartError } from "../errors.ts";
import { type AdapterFolder, resolveAdapters } from "../model_source/adapters.ts";
import { progressOutput } from "../model_source/progress.ts";
import { type ModelFile, resolveModel } from "../model_source/resolve.ts";
import type { FlagValues } from "../options.ts";
import { showLoading } from "../terminal/loading.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { engineConfig } from "./parts.ts";

/**
 * The model's place; null for the scripted backend, or when the signal called the search off. With
 * `refresh` the hub is asked also where its cache has the model.
 */
export async function findModel(
  values: FlagValues,
  context: CommandContext,
  signal: AbortSignal,
  refresh = false,
): Promise<ModelFile | null> {
  if (values.backend === "scripted") return null;
  try {
    return await resolveModel(values, {
      variables: context.variables,
      signal,
      output: progressOutput(values),
      refresh,
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

/**
 * The adapters' places; none when the signal called the search off. The scripted backend invents
 * its own.
 */
export async function findAdapters(
  values: FlagValues,
  context: CommandContext,
  signal: AbortSignal,
): Promise<readonly AdapterFolder[]> {
  const names = values.loraAdapters;
  if (values.backend === "scripted") return names.map(({ id, source }) => ({ id, path: source }));
  const tools = { variables: context.variables, signal, output: progressOutput(values) };
  try {
    return await resolveAdapters(names, values, tools);
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  }
}

/** The library; a failure ends the process with its own code. */
export function openCore(values: FlagValues): Promise<CoreLibrary> {
  return withExitCode(ExitCode.library, () => openLibrary(libraryFor(values)));
}

/** Opens the core over the model and its adapters. */
export async function openEngine(
  values: FlagValues,
  model: ModelFile | null,
  adapters: readonly AdapterFolder[] = [],
): Promise<Engine> {
  const library = await openCore(values);
  const config = engineConfig(values, model, adapters);
  const captured = () => capturedGraphs(library);
  using loading = showLoading(model?.path ?? null, progressOutput(values), captured);
  const engine = await withExitCode(ExitCode.model, () => Engine.open(config, library));
  loading.loaded();
  return engine;
}

/**
 * Opens the core for one person: memory for one sequence. Null when the signal called it off.
 *
 * @throws StartError when there is no model, or no room for it.
 */
export async function openForOne(
  values: FlagValues,
  context: CommandContext,
  signal: AbortSignal,
): Promise<Engine | null> {
  const model = await findModel(values, context, signal);
  const adapters = await findAdapters(values, context, signal);
  if (signal.aborted) return null;
  const one = { maxConcurrentRequests: 1, maxBatchSize: 1, validationWorkers: 1 };
  return await openEngine({ ...values, ...one }, model, adapters);
}

/** Does the work; when it fails to start the process ends with this code, or the failure's own. */
export async function withExitCode<T>(code: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const own = error.exitCode === ExitCode.failure ? code : error.exitCode;
    throw new StartError(error.message, own, { cause: error });
  }
}
