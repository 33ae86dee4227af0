/** Flags made into what the core and the HTTP side are configured with. */

import type { EngineConfig, EngineInfo, ScriptedConfig } from "../../ffi/types.ts";
import type { AdapterFolder } from "../model_source/adapters.ts";
import type { ModelFile } from "../model_source/resolve.ts";
import type { FlagValues } from "../options.ts";
import { quantization } from "../options/quantize.ts";
import type { ServerOptions } from "../server_options.ts";

/** Names under which a browser on this machine reaches a loopback address. */
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** How to open the core; the model is null for the scripted backend. */
export function engineConfig(
  values: FlagValues,
  model: Pick<ModelFile, "path" | "part"> | null,
  adapters: readonly AdapterFolder[] = [],
): EngineConfig {
  return {
    backend: values.backend,
    modelPath: model?.path ?? null,
    modelOffset: model?.part?.offset ?? null,
    modelLength: model?.part?.length ?? null,
    device: values.device,
    cpuIsa: values.cpuIsa === "auto" ? null : values.cpuIsa,
    dtype: values.dtype === "auto" ? null : values.dtype,
    quantize: quantization(values.quantize).format,
    kvCacheDtype: kvCacheDtype(values),
    cudaMemoryFraction: values.cudaMemoryFraction,
    batchInvariant: values.batchInvariant,
    threads: values.threads,
    maxInputTokens: values.maxInputTokens,
    maxTotalTokens: values.maxTotalTokens,
    maxBatchPrefillTokens: values.maxBatchPrefillTokens,
    maxBatchTotalTokens: values.maxBatchTotalTokens,
    maxBatchSize: values.maxBatchSize,
    maxConcurrentRequests: values.maxConcurrentRequests,
    prefixCaching: values.prefixCaching,
    speculate: values.speculate,
    validationWorkers: values.validationWorkers,
    pauseLimitMillis: values.pauseLimit * 1000,
    profile: values.profile,
    adapters,
    scripted: values.backend === "scripted" ? scriptedConfig(values) : null,
  };
}

/** The formats that a backend here has. */
function kvCacheDtype({ kvCacheDtype }: FlagValues): EngineConfig["kvCacheDtype"] {
  return kvCacheDtype === "f16" || kvCacheDtype === "int8" ? kvCacheDtype : "auto";
}

/** Only what was given: the rest is the backend's own. */
function scriptedConfig(values: FlagValues): ScriptedConfig {
  const { scriptedPages, scriptedContext, scriptedStepMicros, scriptedTokenMicros } = values;
  return {
    ...(scriptedPages === null ? {} : { pages: scriptedPages }),
    ...(scriptedContext === null ? {} : { context: scriptedContext }),
    ...(scriptedStepMicros === null ? {} : { stepMicros: scriptedStepMicros }),
    ...(scriptedTokenMicros === null ? {} : { tokenMicros: scriptedTokenMicros }),
  };
}

/** What the HTTP side needs to know; `apiKeys` are those of the flags and of the file. */
export function serverOptions(
  values: FlagValues,
  model: ModelFile | null,
  info: EngineInfo,
  version: string,
  apiKeys: readonly string[] = values.apiKey,
): ServerOptions {
  return {
    version,
    profile: values.profile,
    modelId: model === null ? "scripted" : values.modelId,
    modelSha: model?.commit ?? null,
    computeType: values.computeType ?? `${info.device}+${info.backend}`,
    maxConcurrentRequests: values.maxConcurrentRequests,
    adapters: values.loraAdapters.map(({ id }) => id),
    watermark: { gamma: values.watermarkGamma, delta: values.watermarkDelta },
    maxBestOf: values.maxBestOf,
    maxStopSequences: values.maxStopSequences,
    maxTopNTokens: values.maxTopNTokens,
    maxClientBatchSize: values.maxClientBatchSize,
    validationWorkers: values.validationWorkers,
    payloadLimit: values.payloadLimit,
    streamErrorsAsEvents: values.streamErrorsAsEvents,
    disableGrammarSupport: values.disableGrammarSupport,
    strict: values.strict,
    corsAllowOrigin: values.corsAllowOrigin,
    apiKeys,
    allowedHosts: allowedHosts(values),
  };
}

function allowedHosts({ allowedHost, hostname }: FlagValues): readonly string[] | null {
  if (allowedHost.length > 0) return allowedHost;
  return isLoopback(hostname) ? [...new Set([...LOOPBACK_NAMES, nameOf(hostname)])] : null;
}

/** Whether an address is reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  const own = nameOf(hostname);
  return LOOPBACK_NAMES.includes(own) || own.startsWith("127.");
}

/** An address as URLs have it: IPv6 in brackets. */
function nameOf(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
