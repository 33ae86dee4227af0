/** `tgi`: find the model, open the core, listen, and drain when asked to stop. */

import { getLogger } from "@logtape/logtape";
import { Engine } from "../../ffi/engine.ts";
import { openLibrary } from "../../ffi/library.ts";
import { createApp } from "../app.ts";
import { readKeys } from "../api_keys.ts";
import { NoTemplate } from "../chat/no_template.ts";
import { StartError } from "../errors.ts";
import { LOG_CATEGORY } from "../log.ts";
import { progressOutput } from "../model_source/progress.ts";
import { type ModelFile, resolveModel } from "../model_source/resolve.ts";
import type { FlagValues, Settings } from "../options.ts";
import type { ServerOptions } from "../server_options.ts";
import { NoTokenizer } from "../tokenizer.ts";
import { awaitStop, drain, type StopRequest } from "../shutdown.ts";
import { ExitCode } from "./exit_code.ts";
import { engineConfig, isLoopback, serverOptions } from "./parts.ts";

const log = getLogger([LOG_CATEGORY]);

/** What a start takes from its process. */
export interface ServeContext {
  readonly version: string;
  readonly variables: (name: string) => string | undefined;
}

/**
 * Serves until a signal comes.
 *
 * @returns the exit code: 0 when the server was asked to stop.
 * @throws StartError when it cannot start.
 */
export async function serve(
  { values, warnings }: Settings,
  context: ServeContext,
): Promise<number> {
  using stop = awaitStop();
  log.info`text-generation-inference server ${context.version}, Deno ${Deno.version.deno}`;
  for (const warning of warnings) log.warn`${warning}`;
  const apiKeys = await readKeys(values.apiKey, values.apiKeyFile);
  warnWhenOpen(values, apiKeys);
  const model = await findModel(values, context, stop);
  if (stop.signal.aborted) {
    log.info`Stopped before serving`;
    return ExitCode.ok;
  }
  await giveUpRights();
  const engine = await openEngine(values, model);
  await using unopened = new AsyncDisposableStack();
  unopened.defer(() => engine.close());
  describeEngine(engine);
  const [chat, tokenizer] = [new NoTemplate(), new NoTokenizer()];
  const options = serverOptions(values, model, engine.info, context.version, apiKeys);
  const server = listen(createApp({ engine, chat, tokenizer, options }).fetch, values, options);
  await stop.asked;
  unopened.move();
  const graceMillis = values.gracefulTerminationTimeout * 1000;
  log.info`Stopping: open requests may finish within ${values.gracefulTerminationTimeout} s`;
  const finished = await drain({ server, engine, graceMillis });
  if (finished) log.info`Stopped; every request was answered`;
  else log.warn`Stopped; requests that were still open have ended as incomplete`;
  return ExitCode.ok;
}

/** A server that anyone on the network may use is told of: it may be meant. */
function warnWhenOpen({ hostname }: FlagValues, apiKeys: readonly string[]): void {
  if (apiKeys.length > 0 || isLoopback(hostname)) return;
  log
    .warn`Anyone who reaches ${hostname} may use this server: set --api-key or --api-key-file, or listen on 127.0.0.1`;
}

/** The model's file; null for the scripted backend, or when the start was called off. */
async function findModel(
  values: FlagValues,
  context: ServeContext,
  stop: StopRequest,
): Promise<ModelFile | null> {
  if (values.backend === "scripted") return null;
  try {
    const model = await resolveModel(values, {
      variables: context.variables,
      signal: stop.signal,
      output: progressOutput(values.jsonOutput),
    });
    log.info`Model: ${model.path} (${model.origin})`;
    return model;
  } catch (error) {
    if (stop.signal.aborted) return null;
    throw error;
  }
}

/** Writing and starting programs serve the fetching of models alone. */
async function giveUpRights(): Promise<void> {
  await Deno.permissions.revoke({ name: "write" });
  await Deno.permissions.revoke({ name: "run" });
}

async function openEngine(values: FlagValues, model: ModelFile | null): Promise<Engine> {
  const library = await withExitCode(ExitCode.library, openLibrary);
  const config = engineConfig(values, model?.path ?? null);
  const engine = await withExitCode(ExitCode.model, () => Engine.open(config, library));
  engine.onError = (error) => log.error`The core's records were not all taken: ${error}`;
  return engine;
}

/** Does the work; when it fails to start the process ends with this code. */
async function withExitCode<T>(code: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new StartError(error.message, code, { cause: error });
  }
}

function describeEngine({ info, library }: Engine): void {
  log.info`Core: ${library.path} (${library.reason})`;
  const { weightsBytes, kvBytes, kvBytesPerToken, arenaBytes, availableBytes } = info.plan;
  log
    .info`Core: backend ${info.backend} on ${info.device} (${info.isa}), ${info.dtype}, ${info.architecture}, context ${info.context} tokens`;
  log.info`Memory: weights ${size(weightsBytes)}, KV cache ${
    size(kvBytes)
  } (${info.maxBatchTotalTokens} tokens of ${kvBytesPerToken} bytes), working space ${
    size(arenaBytes)
  }; ${size(availableBytes)} available`;
  log
    .info`Limits: ${info.maxInputTokens} input tokens, ${info.maxTotalTokens} in all, ${info.maxBatchPrefillTokens} prompt tokens a step, ${info.maxBatchSize} requests at a time`;
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function listen(
  handler: Deno.ServeHandler,
  { hostname, port }: FlagValues,
  options: ServerOptions,
): Deno.HttpServer {
  const onListen = (address: Deno.NetAddr) => {
    const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
    log.info`Serving ${options.modelId} on http://${host}:${address.port}`;
  };
  try {
    return Deno.serve({ hostname, port, onListen }, handler);
  } catch (error) {
    throw new StartError(
      `Cannot listen on ${hostname}:${port}: ${whyNotBound(error)}.`,
      ExitCode.address,
      { cause: error },
    );
  }
}

function whyNotBound(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program uses this port; stop it or choose another by --port";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address; choose one by --hostname";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this user may not; choose a port from 1024 on by --port";
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `${reason}; choose another address by --hostname`;
}
