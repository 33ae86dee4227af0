/** The one table of C symbols; `core-rs/abi/src/exports.rs` documents each. */

/** Version of the ABI that this bridge speaks. */
export const ABI_VERSION = 4;

/** Every function of libtgi_core. Only those marked `nonblocking` may block. */
export const SYMBOLS = {
  tgi_abi_version: { parameters: [], result: "u32" },
  tgi_open: {
    parameters: ["buffer", /* const uint8_t *json */ "u32" /* uint32_t len */],
    result: "i32",
    nonblocking: true,
  },
  tgi_captured: { parameters: [], result: "u64" },
  tgi_submit: {
    parameters: ["buffer", /* const uint8_t *json */ "u32" /* uint32_t len */],
    result: "i32",
  },
  tgi_cancel: { parameters: ["u32" /* uint32_t id */], result: "void" },
  tgi_flow: {
    parameters: ["u32", /* uint32_t id */ "u32" /* uint32_t flow: 0 resume, 1 pause */],
    result: "void",
  },
  tgi_poll: {
    parameters: [
      "buffer", /* uint8_t *records */
      "u32", /* uint32_t cap */
      "u32", /* uint32_t timeout_ms */
    ],
    result: "i32",
    nonblocking: true,
  },
  tgi_stats: {
    parameters: ["buffer", /* uint8_t *json */ "u32" /* uint32_t cap */],
    result: "i32",
  },
  tgi_plan: {
    parameters: [
      "buffer", /* const uint8_t *json */
      "u32", /* uint32_t len */
      "buffer", /* uint8_t *survey */
      "u32", /* uint32_t cap */
    ],
    result: "i32",
    nonblocking: true,
  },
  tgi_machine: {
    parameters: ["buffer", /* uint8_t *json */ "u32" /* uint32_t cap */],
    result: "i32",
  },
  tgi_presence: {
    parameters: [
      "buffer", /* const uint8_t *json */
      "u32", /* uint32_t len */
      "buffer", /* uint8_t *presence */
      "u32", /* uint32_t cap */
    ],
    result: "i32",
  },
  tgi_close: { parameters: [], result: "i32", nonblocking: true },
  tgi_last_error: {
    parameters: ["buffer", /* uint8_t *text */ "u32" /* uint32_t cap */],
    result: "i32",
  },
  tgi_alive: { parameters: [], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions, bound to a loaded library. */
export type CoreSymbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** `errno.h` numbers that results carry, negated. */
export const Errno = { again: 11, noDevice: 19, invalid: 22, closed: 32 } as const;

/** Values of `tgi_flow`. */
export const Flow = { resume: 0, pause: 1 } as const;
