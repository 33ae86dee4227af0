/**
 * Clients that leave before their answer begins. Deno aborts `request.signal` then, but not where the
 * body came after the head: it reads nothing from the connection until the answer begins. So the
 * kernel is asked, now and then, while a request waits.
 */

import type { MiddlewareHandler } from "hono";
import type { Presence } from "../ffi/types.ts";

/** Time between two looks, ms. */
const LOOK_MILLIS = 500;

/** Tells what is known of peers, each an address and a port with a blank between them. */
export type PresenceOf = (peers: readonly string[]) => Presence;

/** A request that waits for its answer. */
class Watch {
  readonly #gone = new AbortController();
  #wasHere = false;

  constructor(readonly peer: string) {}

  /** Aborts when the client has left, whoever tells first. */
  begin({ signal }: Request): AbortSignal {
    signal.addEventListener("abort", () => this.#gone.abort(), { once: true });
    if (signal.aborted) this.#gone.abort();
    return this.#gone.signal;
  }

  /** Who is nowhere has broken the connection, or was never to be seen. */
  look(here: ReadonlySet<string>, left: ReadonlySet<string>): void {
    if (here.has(this.peer)) this.#wasHere = true;
    else if (left.has(this.peer) || this.#wasHere) this.#gone.abort();
  }
}

/** Looks after all requests that wait. */
class Departures {
  readonly #watches = new Set<Watch>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(readonly presenceOf: PresenceOf, readonly lookMillis: number) {}

  add(watch: Watch): void {
    this.#watches.add(watch);
    this.#timer ??= setInterval(() => this.#look(), this.lookMillis);
  }

  delete(watch: Watch): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const { here, left } = this.presenceOf([...this.#watches].map(({ peer }) => peer));
    const [stay, go] = [new Set(here), new Set(left)];
    for (const watch of this.#watches) watch.look(stay, go);
  }
}

/** How to begin the watch of a request that was taken up. */
const beginnings = new WeakMap<Request, () => AbortSignal>();

/** Aborts when the client of a request leaves before its answer begins. */
export function departureOf(request: Request): AbortSignal {
  return beginnings.get(request)?.() ?? request.signal;
}

/** Watches each request whose handler asks for its {@link departureOf}, until the answer begins. */
export function watchDepartures(
  presenceOf: PresenceOf,
  lookMillis: number = LOOK_MILLIS,
): MiddlewareHandler {
  const departures = new Departures(presenceOf, lookMillis);
  return async (c, next) => {
    const request = c.req.raw;
    const peer = peerOf(c.env);
    if (peer === null) return await next();
    const watch = new Watch(peer);
    beginnings.set(request, () => {
      departures.add(watch);
      return watch.begin(request);
    });
    try {
      await next();
    } finally {
      departures.delete(watch);
    }
  };
}

/** The other end of a TCP connection of `Deno.serve`, which hands it to Hono as its environment. */
function peerOf(env: unknown): string | null {
  const { remoteAddr } = (env ?? {}) as Partial<Deno.ServeHandlerInfo>;
  return remoteAddr?.transport === "tcp" ? `${remoteAddr.hostname} ${remoteAddr.port}` : null;
}
