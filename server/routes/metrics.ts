/** `GET /metrics`: the Prometheus text format. */

import type { AppContext } from "../context.ts";

/** TGI's content type: plain text, without Prometheus' version parameter. */
export function metrics(context: AppContext) {
  return async (): Promise<Response> =>
    new Response(await context.metrics.text(), {
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
}
