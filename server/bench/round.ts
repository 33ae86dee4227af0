/** What one round showed, and the two ways to load a server for a round. */

import { poissonArrivals, type Random } from "./random.ts";
import { type Completed, RequestFailure } from "./request.ts";

/** What one round showed. */
export interface Round {
  readonly completed: readonly Completed[];
  /** How often each kind of failure came. */
  readonly errors: ReadonlyMap<string, number>;
  /** Length of the round, ms. */
  readonly millis: number;
}

/** What runs a round's requests. */
export interface Sender {
  /**
   * Sends one request that was due then, ms of `performance.now()`.
   *
   * @throws RequestFailure when it failed; anything else ends the round.
   */
  send(dueMillis: number): Promise<Completed>;
  /** Called after each request, well or not. */
  done(): void;
  readonly signal: AbortSignal;
}

/** Most kinds of failures that are told apart, lest every message be its own. */
const MOST_KINDS = 12;

/** Collects what the requests of a round showed. */
class RoundRecord {
  readonly #completed: Completed[] = [];
  readonly #errors = new Map<string, number>();
  readonly #started = performance.now();

  constructor(readonly sender: Sender) {}

  /** Runs one request into the record; one that was called off leaves no trace. */
  async run(dueMillis: number): Promise<void> {
    try {
      this.#completed.push(await this.sender.send(dueMillis));
    } catch (error) {
      if (this.sender.signal.aborted) return;
      if (!(error instanceof RequestFailure)) throw error;
      this.fail(error.message);
    }
    this.sender.done();
  }

  fail(kind: string): void {
    const known = this.#errors.has(kind) || this.#errors.size < MOST_KINDS;
    const name = known ? kind : "others";
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
  }

  end(): Round {
    const millis = performance.now() - this.#started;
    return { completed: this.#completed, errors: this.#errors, millis };
  }
}

/** Closed loop: each client sends its next request when its last one has ended. */
export async function runClosed(
  clients: number,
  requests: number,
  sender: Sender,
): Promise<Round> {
  const record = new RoundRecord(sender);
  await Promise.all(Array.from({ length: clients }, async () => {
    for (let done = 0; done < requests && !sender.signal.aborted; done++) {
      await record.run(performance.now());
    }
  }));
  return record.end();
}

/** How an open loop sends. */
export interface OpenLoad {
  /** Requests a second, on average. */
  readonly rate: number;
  /** Time in which requests arrive, ms; the round ends when the last one has. */
  readonly durationMillis: number;
  /** What arrives beyond so many open requests is not sent and fails. */
  readonly maxInFlight: number;
}

/** Open loop: requests arrive as a Poisson process, whether or not the server keeps up. */
export async function runOpen(load: OpenLoad, random: Random, sender: Sender): Promise<Round> {
  const record = new RoundRecord(sender);
  const started = performance.now();
  const open = new Set<Promise<void>>();
  for (const at of poissonArrivals(load.rate, load.durationMillis, random)) {
    await pause(started + at - performance.now(), sender.signal);
    if (sender.signal.aborted) break;
    if (open.size >= load.maxInFlight) {
      record.fail(`not sent: ${load.maxInFlight} requests were open`);
      sender.done();
      continue;
    }
    const running = record.run(started + at).finally(() => open.delete(running));
    open.add(running);
  }
  await Promise.all(open);
  return record.end();
}

/** Waits; shorter when the signal comes. */
async function pause(millis: number, signal: AbortSignal): Promise<void> {
  if (millis <= 0 || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const timer = setTimeout(wake, millis);
  signal.addEventListener("abort", wake);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", wake);
}
