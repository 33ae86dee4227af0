/** `GET /info`: model and limits, in TGI's names. */

import type { z } from "zod";
import type { AppContext } from "../context.ts";
import type { Info } from "../schemas/responses.ts";

/** TGI 3.3's fields in their order, then two of 2.x that tools still read, then the loaded adapters. */
export function info(context: AppContext) {
  return (): Response => Response.json(describe(context));
}

function describe({ engine, options }: AppContext): z.output<typeof Info> {
  return {
    model_id: options.modelId,
    model_sha: options.modelSha,
    model_pipeline_tag: "text-generation",
    max_concurrent_requests: options.maxConcurrentRequests,
    max_best_of: options.maxBestOf,
    max_stop_sequences: options.maxStopSequences,
    max_input_tokens: engine.info.maxInputTokens,
    max_total_tokens: engine.info.maxTotalTokens,
    validation_workers: options.validationWorkers,
    max_client_batch_size: options.maxClientBatchSize,
    router: "text-generation-router",
    version: options.version,
    sha: null,
    docker_label: null,
    model_dtype: engine.info.dtype,
    model_device_type: engine.info.device,
    ...(options.adapters.length === 0 ? {} : { adapters: [...options.adapters] }),
  };
}
