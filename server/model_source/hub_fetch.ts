/** One exchange with the hub: where the token goes, how long to wait, what a status means. */

import { HubRefusal } from "./hub_refusal.ts";
import type { HubToken } from "./hub_token.ts";
import { reasonOf } from "./model_error.ts";
import { controllerUnder, TooLate, within } from "./waiting.ts";

/** The public hub. */
const PUBLIC_HUB = "https://huggingface.co";

/** How to reach the hub. */
export interface HubAddress {
  /** Address of another hub than the public one (`HF_ENDPOINT`). */
  readonly endpoint: string | null;
  readonly token: HubToken | null;
  /** Longest wait for the head of an answer, ms: a machine without network moves on. */
  readonly headMillis: number;
  readonly signal: AbortSignal;
}

/** The hub did not answer, or cannot now: another source or another time may do. */
export class HubUnreachable extends Error {
  override readonly name: string = "HubUnreachable";
  /** The hub is there, and asks to be asked again after this time. */
  readonly retryMillis: number | null;

  constructor(message: string, options: ErrorOptions & { readonly retryMillis?: number } = {}) {
    super(message, options);
    this.retryMillis = options.retryMillis ?? null;
  }
}

/** A part was asked for, and the whole file comes. */
export class RangeIgnored extends HubUnreachable {
  override readonly name = "RangeIgnored";
}

/** Longest that a hub may ask to wait, ms. */
const MOST_PATIENCE_MILLIS = 30_000;

/** The address without a slash at its end. */
export function endpointOf({ endpoint }: Pick<HubAddress, "endpoint">): string {
  return (endpoint ?? PUBLIC_HUB).replace(/\/+$/, "");
}

/** What functions of `@huggingface/hub` take of the address. */
export function credentials(address: HubAddress) {
  return {
    hubUrl: endpointOf(address),
    ...(address.token === null ? {} : { accessToken: address.token.secret }),
  };
}

/**
 * `fetch` for answers that are read at once: head and body come within the wait.
 *
 * @throws HubUnreachable, HubRefusal, or the signal's reason.
 */
export function fetchWhole(address: HubAddress): typeof fetch {
  return async (input, init) => {
    using controller = controllerUnder(address.signal);
    try {
      const exchange = async () => {
        const response = await send(address, input, init, controller.signal);
        return new Response(await response.arrayBuffer(), response);
      };
      return await inTime(address, exchange());
    } finally {
      controller.abort();
    }
  };
}

/**
 * `fetch` for a file: the head comes within the wait, the body may take its time. Aborting
 * `signal` ends both.
 *
 * @throws HubUnreachable, HubRefusal, or the signal's reason.
 */
export function fetchHead(address: HubAddress, signal: AbortSignal): typeof fetch {
  return (input, init) => inTime({ ...address, signal }, send(address, input, init, signal));
}

async function inTime<T>({ headMillis, signal }: HubAddress, work: Promise<T>): Promise<T> {
  const late = `no answer within ${headMillis / 1000} s`;
  try {
    return await within(work, { millis: headMillis, late, signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof HubUnreachable || error instanceof HubRefusal) throw error;
    const reason = error instanceof TooLate ? late : reasonOf(error);
    throw new HubUnreachable(reason, { cause: error });
  }
}

async function send(
  address: HubAddress,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const headers = new Headers(init?.headers);
  const url = new URL(input instanceof Request ? input.url : input);
  // Deno drops it where a redirect leads to another host; this is for addresses that answers name.
  if (url.origin !== new URL(endpointOf(address)).origin) headers.delete("authorization");
  const response = await fetch(input, { ...init, headers, signal });
  const failure = failureOf(response, headers);
  if (failure === null) return response;
  await response.body?.cancel();
  throw failure;
}

function failureOf(response: Response, headers: Headers): Error | null {
  const { status } = response;
  const [from] = /\d+/.exec(headers.get("range") ?? "") ?? ["0"];
  if (status === 200 && from !== "0") return new RangeIgnored("the hub sends no parts of files");
  if (status < 400) return null;
  const head = response.headers;
  if (status === 429 || status >= 500) {
    const seconds = Number(head.get("retry-after") ?? NaN);
    const retryMillis = Number.isFinite(seconds)
      ? Math.min(seconds * 1000, MOST_PATIENCE_MILLIS)
      : 1000;
    return new HubUnreachable(`the hub answers ${status}`, { retryMillis });
  }
  return new HubRefusal(status, head.get("x-error-code"), head.get("x-error-message"));
}
