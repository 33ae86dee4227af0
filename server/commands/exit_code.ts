/** With which code the process ends; the README lists them. */
export const ExitCode = {
  /** Stopped as asked. */
  ok: 0,
  /** Any other failure. */
  failure: 1,
  /** A wrong flag or value. */
  usage: 2,
  /** The model cannot be found, fetched, read or held in memory. */
  model: 3,
  /** There is no usable libtgi_core. */
  library: 4,
  /** The address cannot be bound. */
  address: 5,
} as const;
