/** With which code the process ends. */
export const ExitCode = {
  /** Stopped as asked. */
  ok: 0,
  /** Any other failure. */
  failure: 1,
  /** A wrong flag or value. */
  usage: 2,
  /** The model cannot be found, fetched, read or held in memory, or contradicts the limits. */
  model: 3,
  /** There is no usable libtgi_core. */
  library: 4,
  /** The address cannot be bound. */
  address: 5,
  /** `generate` was stopped by the user; a second signal ends any command so. */
  interrupted: 130,
} as const;

/** The same for people. A second signal ends the process with 130 (SIGINT) or 143 (SIGTERM). */
export const EXIT_CODES_TEXT = `
Exit codes:
  0  stopped as asked          3  the model cannot be found, fetched, read or held in memory
  1  any other failure         4  there is no usable libtgi_core
  2  a wrong flag or value     5  the address cannot be bound
  130, 143  ended at once by a second SIGINT or SIGTERM; 130 also a generation that was stopped`;
