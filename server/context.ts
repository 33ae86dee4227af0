/** What the routes share. */

import type { TextEngine } from "../ffi/types.ts";
import type { ChatRenderer } from "./chat/renderer.ts";
import type { Liveness } from "./liveness.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Permits } from "./permits.ts";
import type { ServerOptions } from "./server_options.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** The parts of one server. */
export interface AppContext {
  readonly engine: TextEngine;
  readonly chat: ChatRenderer;
  readonly tokenizer: TextTokenizer;
  readonly options: ServerOptions;
  readonly metrics: Metrics;
  readonly permits: Permits;
  readonly liveness: Liveness;
  /** Silence after which a stream gets a comment, ms. */
  readonly keepAliveMillis: number;
}
