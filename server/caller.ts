/** Who asks: the id of a request, and what stands for its key. */

import type { MiddlewareHandler } from "hono";

/** What is known of a request before its body. */
export interface Caller {
  /** In the log and in the header `x-request-id`; null outside of a server. */
  readonly requestId: string | null;
  /**
   * SHA-256 of the key, base64; null without keys. Requests of different keys share no cached
   * prompts, so that the time to a first token tells nobody what others have asked.
   */
  readonly cacheSalt: string | null;
}

/** A request that came by no server. */
export const NOBODY: Caller = { requestId: null, cacheSalt: null };

/** An id that a client or a proxy may have given: visible ASCII that is safe in a log. */
const VALID_ID = /^[\w.:/+=@-]{1,128}$/;

const callers = new WeakMap<Request, Caller>();

/** What is known of a request. */
export function callerOf(request: Request): Caller {
  return callers.get(request) ?? NOBODY;
}

/** Notes whose key a request has carried. */
export function noteKey(request: Request, cacheSalt: string): void {
  callers.set(request, { ...callerOf(request), cacheSalt });
}

/** Gives every request an id, its own where it has a valid one, and every answer its header. */
export const identify: MiddlewareHandler = async (c, next) => {
  const given = c.req.header("x-request-id") ?? "";
  const requestId = VALID_ID.test(given) ? given : crypto.randomUUID();
  callers.set(c.req.raw, { requestId, cacheSalt: null });
  await next();
  c.res.headers.set("x-request-id", requestId);
};
