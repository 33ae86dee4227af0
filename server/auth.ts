/** API keys: who may use the server. TGI's `--api-key` (`router/src/server.rs`, since 2.3). */

import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { noteKey } from "./caller.ts";
import { UnauthorizedError } from "./errors.ts";
import { openAiErrorResponse } from "./openai/error_body.ts";

/** What probes ask without a key. */
const OPEN_PATHS = new Set(["/health", "/ping"]);

/**
 * Asks every request but those of `/health` and `/ping` for `Authorization: Bearer KEY`, unknown
 * paths included, and answers 401: with an empty body as TGI does, on `/v1` with OpenAI's error.
 * TGI leaves `/info`, `/metrics` and the documents open.
 */
export function requireKey(keys: readonly string[]): MiddlewareHandler {
  const digests = keys.map(digest);
  return async (c, next) => {
    if (OPEN_PATHS.has(c.req.path)) return await next();
    const given = digest(bearer(c.req.header("authorization")) ?? "");
    if (!isAmong(given, digests)) return refusal(c.req.path);
    noteKey(c.req.raw, given.toString("base64"));
    await next();
  };
}

/** The key of the header; null when it has none. */
function bearer(header: string | undefined): string | null {
  return /^ *bearer +(\S+) *$/i.exec(header ?? "")?.[1] ?? null;
}

/** Keys are compared as hashes: their lengths and beginnings show in no time. */
function digest(key: string): Uint8Array & { toString(encoding: "base64"): string } {
  return createHash("sha256").update(key).digest();
}

/** Looks at all, whichever it is. */
function isAmong(given: Uint8Array, digests: readonly Uint8Array[]): boolean {
  let found = false;
  for (const digest of digests) found = timingSafeEqual(digest, given) || found;
  return found;
}

function refusal(path: string): Response {
  if (path.startsWith("/v1/")) return openAiErrorResponse(new UnauthorizedError());
  return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
}
