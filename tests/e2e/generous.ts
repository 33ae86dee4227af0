/** Longest wait for anything in these tests, ms: far more than it takes, so that a hang fails. */
const LIMIT_MILLIS = 60_000;

/** The work's result, or a failure that says what did not happen. */
export async function generous<T>(
  work: Promise<T>,
  what: string,
  limitMillis: number = LIMIT_MILLIS,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what} did not come within ${limitMillis} ms`)),
    limitMillis,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
