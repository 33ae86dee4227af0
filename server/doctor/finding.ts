/** What a check of `tgi doctor` found. */

/** `ok` needs nothing; `warn` works, but not well; `fail` does not work. */
export type State = "ok" | "warn" | "fail";

/** One line of the report. */
export interface Finding {
  /** What was looked at: one or two words. */
  readonly check: string;
  readonly state: State;
  /** What was found. */
  readonly found: string;
  /** What to do; null where nothing is to be done. */
  readonly advice: string | null;
}

/** Nothing is to be done. */
export function ok(check: string, found: string): Finding {
  return { check, state: "ok", found, advice: null };
}

/** It works, but not well. */
export function warn(check: string, found: string, advice: string): Finding {
  return { check, state: "warn", found, advice };
}

/** It does not work. */
export function fail(check: string, found: string, advice: string): Finding {
  return { check, state: "fail", found, advice };
}
