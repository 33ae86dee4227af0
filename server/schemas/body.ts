/** From the bytes of a request to a typed value. */

import type { z } from "zod";
import { BodyError } from "../errors.ts";
import { deserialize } from "./deserialize.ts";
import { parseExactJson } from "./exact_json.ts";

/** serde_json's own limit of nesting, TGI's. */
const MAX_DEPTH = 128;

/** Longest wait for more of a body, ms: a client that sends a part of one must not keep its permit. */
const WAIT_MILLIS = 30_000;

/** Code units of `"`, `\`, `[` and `{`; the closing brackets come two after. */
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [0x22, 0x5c, 0x5b, 0x7b];

/**
 * Reads a JSON body of at most `limit` bytes. Throws {@link BodyError}: 415 for another content
 * type or a content coding, 413 past the limit, 408 when nothing more comes for `waitMillis`, 400
 * for malformed JSON, 422 for a wrong type.
 */
export async function readJson<Output>(
  request: Request,
  schema: z.ZodType<Output>,
  limit: number,
  waitMillis = WAIT_MILLIS,
): Promise<Output> {
  if (!isJson(request.headers.get("content-type"))) {
    throw new BodyError("Expected request with `Content-Type: application/json`", 415);
  }
  const coding = request.headers.get("content-encoding");
  if (coding !== null && !/^\s*identity\s*$/i.test(coding)) {
    const message = `Cannot read a body with \`Content-Encoding: ${coding}\`: send it as it is`;
    throw new BodyError(message, 415);
  }
  const bytes = await readBytes(request, limit, waitMillis);
  return deserialize(schema, parse(bytes));
}

/** Whether the media type is `application/json` or ends with `+json`, as axum takes it. */
function isJson(contentType: string | null): boolean {
  return /^\s*application\/([\w.!#$&^-]+\+)?json\s*(;|$)/i.test(contentType ?? "");
}

/** The whole body; the length is counted, for a chunked body has no `content-length`. */
async function readBytes(
  { headers, body }: Request,
  limit: number,
  waitMillis: number,
): Promise<Uint8Array> {
  const tooLarge = () => unbuffered("length limit exceeded", 413);
  if (Number(headers.get("content-length")) > limit) throw tooLarge();
  const reader = (body ?? new Blob().stream()).getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for (;;) {
      const { value } = await nextChunk(reader, waitMillis);
      if (value === undefined) return await new Blob(chunks).bytes();
      length += value.byteLength;
      if (length > limit) throw tooLarge();
      chunks.push(value);
    }
  } catch (cause) {
    reader.cancel().catch(() => {});
    if (cause instanceof BodyError) throw cause;
    throw unbuffered("connection lost", 400, { cause });
  }
}

/** What the reader gives next; a {@link BodyError} when that takes too long. */
async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  waitMillis: number,
) {
  const late = Promise.withResolvers<never>();
  const reason = `nothing more of it came for ${waitMillis / 1000} s`;
  const timer = setTimeout(() => late.reject(unbuffered(reason, 408)), waitMillis);
  try {
    return await Promise.race([reader.read(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function unbuffered(reason: string, status: number, options: ErrorOptions = {}): BodyError {
  return new BodyError(`Failed to buffer the request body: ${reason}`, status, options);
}

/** UTF-8 JSON to values. */
function parse(bytes: Uint8Array): unknown {
  try {
    const text = utf8(bytes);
    if (isDeeper(text, MAX_DEPTH)) {
      throw new SyntaxError(`recursion limit exceeded: more than ${MAX_DEPTH} levels`);
    }
    return parseExactJson(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BodyError(`Failed to parse the request body as JSON: ${reason}`, 400, { cause });
  }
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("the body is not UTF-8", { cause });
  }
}

/** Whether arrays and objects nest deeper than `limit`; looks at marks alone, before any parsing. */
function isDeeper(json: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) inString = !inString;
    else if (inString) at += unit === BACKSLASH ? 1 : 0;
    else if (unit === BRACKET || unit === BRACE) depth += 1;
    else if (unit === BRACKET + 2 || unit === BRACE + 2) depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}
