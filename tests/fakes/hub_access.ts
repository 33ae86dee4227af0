/** How tests reach a fake hub: nothing is written, and no wait is long. */

import type { HubAccess } from "../../server/model_source/hub.ts";

/** Access into the given cache. */
export function hubAccess(
  cache: string,
  endpoint: string,
  changes: Partial<HubAccess> = {},
): HubAccess {
  return {
    cache,
    endpoint,
    token: null,
    headMillis: 5000,
    stallMillis: 5000,
    retryMillis: 1,
    signal: new AbortController().signal,
    output: { terminal: false, write: () => {}, now: () => 0 },
    ...changes,
  };
}
