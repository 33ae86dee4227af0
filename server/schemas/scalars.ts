/**
 * JSON scalars as serde reads them. The error text of each schema is serde's name for what it
 * expects; `deserialize.ts` makes the whole sentence from it.
 */

import { z } from "zod";

const inRange = (low: number, high: number) => (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= low && (value as number) <= high;

/** 0 to 2^32 - 1. */
export const u32 = z.custom<number>(inRange(0, 0xffff_ffff), { error: "u32" });

/** -2^31 to 2^31 - 1. */
export const i32 = z.custom<number>(inRange(-0x8000_0000, 0x7fff_ffff), { error: "i32" });

/** 0 to 2^53 - 1: no limit that this server knows is larger. */
export const usize = z.custom<number>(inRange(0, Number.MAX_SAFE_INTEGER), { error: "usize" });

/** 0 to 2^64 - 1, exact; `exact_json.ts` reads it as a bigint. */
export const u64 = z.custom<bigint>(
  (value) => typeof value === "bigint" && value >= 0n && value < 1n << 64n,
  { error: "u64" },
);

/** A number whose nearest f32 is finite. */
export const f32 = z.custom<number>(
  (value) => typeof value === "number" && Number.isFinite(Math.fround(value)),
  { error: "f32" },
);

/** true or false. */
export const bool = z.boolean({ error: "a boolean" });

/** Text. */
export const text = z.string({ error: "a string" });

/** -2^63 to 2^64 - 1, exact: OpenAI's seeds are i64, TGI's u64. */
export const anySeed = z.custom<bigint>(
  (value) => typeof value === "bigint" && value >= -(1n << 63n) && value < 1n << 64n,
  { error: "u64" },
);

/** Numbers by token id. */
export const biases = z.custom<Readonly<Record<string, number>>>(
  (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((bias) => typeof bias === "number"),
  { error: "a map from token id to number" },
);
