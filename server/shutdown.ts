/**
 * The end of the server: a first signal drains, a second one ends at once. TGI's launcher waits for
 * open requests as long as `graceful-termination-timeout`.
 */

/** Signals that end the server. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** After the core has ended every request, the last events have this long to be written, ms. */
const LAST_WRITE_MILLIS = 2000;

/** Code with which a process ends that a signal cut off, as shells number it. */
const CUT_OFF = { SIGINT: 130, SIGTERM: 143 } as const;

/** Listens for the signals while it is held. */
export interface StopRequest extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** Resolves with the first signal. */
  readonly asked: Promise<void>;
}

/** Listens from now on; the second signal ends the process there and then. */
export function awaitStop(exit: (code: number) => void = Deno.exit): StopRequest {
  const first = new AbortController();
  const asked = Promise.withResolvers<void>();
  const listeners = STOP_SIGNALS.map((name) => {
    const listener = () => {
      if (first.signal.aborted) exit(CUT_OFF[name]);
      first.abort();
      asked.resolve();
    };
    Deno.addSignalListener(name, listener);
    return () => Deno.removeSignalListener(name, listener);
  });
  return {
    signal: first.signal,
    asked: asked.promise,
    [Symbol.dispose]: () => listeners.forEach((stopListening) => stopListening()),
  };
}

/** What is drained. */
export interface Draining {
  /** Stops accepting; resolves when every response is written. */
  readonly server: { shutdown(): Promise<void> };
  /** Closing it ends open requests as incomplete. */
  readonly engine: { close(): Promise<void> };
  /** How long open requests may run on, ms. */
  readonly graceMillis: number;
  readonly lastWriteMillis?: number;
}

/**
 * Stops accepting, lets open requests finish within the grace period, ends those that remain with
 * their last event, and closes the core.
 *
 * @returns whether every request ended by itself.
 */
export async function drain(
  { server, engine, graceMillis, lastWriteMillis = LAST_WRITE_MILLIS }: Draining,
): Promise<boolean> {
  const written = server.shutdown();
  const finished = await within(graceMillis, written);
  await engine.close();
  if (!finished) await within(lastWriteMillis, written);
  return finished;
}

/** Whether the work ended within the time, ms. */
async function within(millis: number, work: Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), millis);
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
