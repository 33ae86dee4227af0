/** Waits that a signal ends, and that hold nothing afterwards. */

/** Thrown when something took longer than it may. */
export class TooLate extends Error {
  override readonly name = "TooLate";
}

/** Waits for a while. @throws the signal's reason. */
export async function pause(millis: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => reject(signal.reason);
  const timer = setTimeout(resolve, millis);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Waits for the work, at most `millis`.
 *
 * @param late what the failure says.
 * @throws TooLate, or the signal's reason.
 */
export async function within<T>(
  work: Promise<T>,
  { millis, late, signal }: {
    readonly millis: number;
    readonly late: string;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  using ended = controllerUnder(signal);
  const tooLate = async () => {
    await pause(millis, ended.signal);
    throw new TooLate(late);
  };
  try {
    return await Promise.race([work, tooLate()]);
  } finally {
    ended.abort();
  }
}

/** A controller that is also aborted by `signal`, until it is disposed of. */
export function controllerUnder(signal: AbortSignal): AbortController & Disposable {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  // `AbortSignal.any` would do, but Deno holds the signals that depend on another one weakly.
  signal.addEventListener("abort", stop);
  return Object.assign(controller, {
    [Symbol.dispose]: () => signal.removeEventListener("abort", stop),
  });
}
