/** API keys: who may generate. TGI's `--api-key` (`router/src/server.rs`, since 2.3). */

import { createHash } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { HTTPException } from "hono/http-exception";

/**
 * Asks every POST for `Authorization: Bearer KEY` and answers 401 with an empty body otherwise.
 * GET routes stay open, as TGI's do: probes and scrapers send no key. Keys are compared as
 * hashes, in a time that tells nothing about them.
 */
export function requireKey(key: string): MiddlewareHandler {
  const check = bearerAuth({ token: key });
  return async (c, next) => {
    if (c.req.method !== "POST") return await next();
    try {
      return await check(c, next);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
    }
  };
}

/**
 * What stands for the key of a request in the prefix cache: its SHA-256, base64. Requests of
 * different keys never share cached prompts, so that the time to a first token tells nobody what
 * others have asked. Null without a key.
 */
export function cacheSalt(headers: Headers): string | null {
  const key = /^ *bearer +(.*?) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  return key === undefined ? null : createHash("sha256").update(key).digest("base64");
}

/** What the library throws for a missing, malformed or wrong key. */
function isRefusal(error: unknown): error is HTTPException {
  return error instanceof HTTPException && (error.status === 401 || error.status === 400);
}
