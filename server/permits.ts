/** Admission: how many generations may be open at a time. TGI's `limit_concurrent_requests`. */

import { OverloadedError } from "./errors.ts";

/** The right to run one generation. */
export interface Permit {
  /** Gives the permit back; a second call does nothing. */
  release(): void;
}

/** A counting semaphore that never waits. */
export class Permits {
  #taken = 0;

  constructor(readonly limit: number) {}

  /** Permits that are out. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes a permit; throws {@link OverloadedError} when none is free. */
  acquire(): Permit {
    if (this.#taken >= this.limit) throw new OverloadedError();
    this.#taken += 1;
    let held = true;
    return {
      release: () => {
        if (held) this.#taken -= 1;
        held = false;
      },
    };
  }
}
