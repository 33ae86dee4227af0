/** Refuses requests that address a host this server is not: they come by DNS rebinding. */

import type { MiddlewareHandler } from "hono";
import { ValidationError } from "./errors.ts";

/** Lets through only requests to one of `allowed`: names without port, IPv6 in brackets. */
export function allowHosts(allowed: readonly string[]): MiddlewareHandler {
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  return async (c, next) => {
    const { hostname } = new URL(c.req.url);
    if (!names.has(hostname)) {
      throw new ValidationError(
        `Cannot serve host ${hostname}: this server answers to ${[...names].join(", ")}`,
        403,
      );
    }
    await next();
  };
}
