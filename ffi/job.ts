/** A job as the JSON that the core reads. */

import type { Job } from "./types.ts";

const { rawJSON } = JSON as JSON & { rawJSON(text: string): object };

const encoder = new TextEncoder();

/** Encodes a job as {@link encodeExact} does. */
export function encodeJob(job: Job): Uint8Array<ArrayBuffer> {
  return encodeExact(job);
}

/**
 * Encodes a value as JSON. Seeds stay exact over all of u64, and a lone surrogate, which UTF-8
 * cannot hold, becomes U+FFFD.
 */
export function encodeExact(value: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value, exactValue));
}

function exactValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return rawJSON(value.toString());
  return typeof value === "string" ? value.toWellFormed() : value;
}
