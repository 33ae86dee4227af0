/** Tokens of a KV page; the core's `PAGE_TOKENS` (`core-rs/backend/src/lib.rs`). */
export const PAGE_TOKENS = 32;
