/** What the HTTP side needs to know; `options.ts` makes it from flags and environment. */

/** Limits, identity and choices of the HTTP server. */
export interface ServerOptions {
  /** Version of this server, as `/info` tells it. */
  readonly version: string;
  /** Which TGI generation's defaults hold where they differ. */
  readonly profile: "0.3.1" | "3.3";
  readonly modelId: string;
  /** Revision of the model; null for a local file. */
  readonly modelSha: string | null;
  /** What requests call the loaded adapters, in the core's order. */
  readonly adapters: readonly string[];
  /** Value of `x-compute-type`. */
  readonly computeType: string;
  /** Permits: generations that may be open at a time. */
  readonly maxConcurrentRequests: number;
  /** TGI's watermark: share of the vocabulary that is lifted, and what is added to its logits. */
  readonly watermark: { readonly gamma: number; readonly delta: number };
  readonly maxBestOf: number;
  readonly maxStopSequences: number;
  readonly maxTopNTokens: number;
  readonly maxClientBatchSize: number;
  readonly validationWorkers: number;
  /** Longest request body, bytes. */
  readonly payloadLimit: number;
  /** TGI's own way: a stream that fails before its first event answers 200 and an event. */
  readonly streamErrorsAsEvents: boolean;
  /** No text is held to a grammar: who asks for one is refused. */
  readonly disableGrammarSupport: boolean;
  /** A field of a body that would be ignored is refused. */
  readonly strict: boolean;
  /** Origins that browsers may call from; `*` is any, none turns CORS off. */
  readonly corsAllowOrigin: readonly string[];
  /** What `Authorization: Bearer` must carry, one of them; none asks for nothing. */
  readonly apiKeys: readonly string[];
  /**
   * Host names that a request may address, without port, IPv6 in brackets; null is any. A list
   * on a loopback address stops web pages that reach it by DNS rebinding.
   */
  readonly allowedHosts: readonly string[] | null;
}
