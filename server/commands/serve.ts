/** `tgi`: find the model, open the core, listen, and drain when asked to stop. */

import { getLogger } from "@logtape/logtape";
import type { Engine } from "../../ffi/engine.ts";
import { CoreRenderer, CoreTokenizer } from "../../ffi/render.ts";
import { createApp } from "../app.ts";
import { readKeys } from "../api_keys.ts";
import { StartError } from "../errors.ts";
import { LOG_CATEGORY } from "../log.ts";
import type { FlagValues, Settings } from "../options.ts";
import type { ServerOptions } from "../server_options.ts";
import { awaitStop, drain } from "../shutdown.ts";
import { bytesText } from "../terminal/bytes.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { findAdapters, findModel, openEngine } from "./open_model.ts";
import { isLoopback, serverOptions } from "./parts.ts";
import { whyNotBound } from "./why_not_bound.ts";

const log = getLogger([LOG_CATEGORY]);

/**
 * Serves until a signal comes.
 *
 * @returns the exit code: 0 when the server was asked to stop.
 * @throws StartError when it cannot start.
 */
export async function serve(
  settings: Settings,
  context: CommandContext,
): Promise<number> {
  const { values, warnings } = settings;
  using stop = awaitStop();
  for (const warning of warnings) log.warn`${warning}`;
  const apiKeys = await readKeys(values.apiKey, values.apiKeyFile);
  warnWhenOpen(values, apiKeys);
  checkAddress(values);
  const model = await findModel(values, context, stop.signal);
  if (model !== null) log.info`Model: ${model.path} (${model.origin})`;
  const adapters = await findAdapters(values, context, stop.signal);
  if (stop.signal.aborted) {
    log.info`Stopped before serving`;
    return ExitCode.ok;
  }
  await giveUpRights();
  const engine = await openEngine(values, model, adapters);
  engine.onError = (error) => log.error`The core's records were not all taken: ${error}`;
  await using unopened = new AsyncDisposableStack();
  unopened.defer(() => engine.close());
  describeEngine(engine, settings.givenBy("device"));
  const [chat, tokenizer] = [new CoreRenderer(engine), new CoreTokenizer(engine)];
  const options = serverOptions(values, model, engine.info, context.version, apiKeys);
  const presenceOf = (peers: readonly string[]) => engine.presence(peers);
  const app = createApp({ engine, chat, tokenizer, options, presenceOf });
  const server = listen(app.fetch, values, options);
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

/** Writing and starting programs serve the fetching of models alone. */
async function giveUpRights(): Promise<void> {
  await Deno.permissions.revoke({ name: "write" });
  await Deno.permissions.revoke({ name: "run" });
}

/** @param deviceBy how the device was named; null when it is the default. */
function describeEngine({ info, library }: Engine, deviceBy: string | null): void {
  log.info`Core: ${library.path} (${library.reason})`;
  const { weightsBytes, kvBytes, kvBytesPerToken, arenaBytes, availableBytes } = info.plan;
  const why = deviceBy === null ? "the default" : `named by ${deviceBy}`;
  log
    .info`Core: backend ${info.backend} on ${info.device} (${why}), instruction set ${info.isa} (${info.isaReason}), ${info.dtype}, ${info.architecture}, context ${info.context} tokens`;
  log.info`Memory: weights ${bytesText(weightsBytes)}, KV cache ${
    bytesText(kvBytes)
  } (${info.maxBatchTotalTokens} tokens of ${kvBytesPerToken} bytes), working space ${
    bytesText(arenaBytes)
  }; ${bytesText(availableBytes)} available`;
  log
    .info`Limits: ${info.maxInputTokens} input tokens, ${info.maxTotalTokens} in all, ${info.maxBatchPrefillTokens} prompt tokens a step, ${info.maxBatchSize} requests at a time`;
}

/** An address that is taken is told now, not after the minutes that a large model takes to load. */
function checkAddress({ hostname, port }: FlagValues): void {
  try {
    Deno.listen({ hostname, port }).close();
  } catch (error) {
    throw notBound(hostname, port, error);
  }
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
    throw notBound(hostname, port, error);
  }
}

function notBound(hostname: string, port: number, cause: unknown): StartError {
  const message = `Cannot listen on ${hostname}:${port}: ${whyNotBound(cause)}.`;
  return new StartError(message, ExitCode.address, { cause });
}
