/** `GET /health`, `/ping` and `/`: whether the core can generate. Takes no permit. */

import type { AppContext } from "../context.ts";
import { UnhealthyError } from "../errors.ts";

/** 200 with an empty body, or {@link UnhealthyError} (503). */
export function health(context: AppContext) {
  return async (): Promise<Response> => {
    if (!(await context.liveness.check())) throw new UnhealthyError();
    return new Response(null);
  };
}
