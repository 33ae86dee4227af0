/** From the bytes of a request to a typed value. */

import type { z } from "zod";
import { BodyError } from "../errors.ts";
import { deserialize } from "./deserialize.ts";
import { parseExactJson } from "./exact_json.ts";

/** serde_json's own limit of nesting, TGI's. */
const MAX_DEPTH = 128;

/** Code units of `"`, `\`, `[` and `{`; the closing brackets come two after. */
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [0x22, 0x5c, 0x5b, 0x7b];

/**
 * Reads a JSON body of at most `limit` bytes. Throws {@link BodyError}: 415 for another content
 * type or a content coding, 413 past the limit, 400 for malformed JSON, 422 for a wrong type.
 */
export async function readJson<Output>(
  request: Request,
  schema: z.ZodType<Output>,
  limit: number,
): Promise<Output> {
  if (!isJson(request.headers.get("content-type"))) {
    throw new BodyError("Expected request with `Content-Type: application/json`", 415);
  }
  const coding = request.headers.get("content-encoding");
  if (coding !== null && !/^\s*identity\s*$/i.test(coding)) {
    const message = `Cannot read a body with \`Content-Encoding: ${coding}\`: send it as it is`;
    throw new BodyError(message, 415);
  }
  const bytes = await readBytes(request, limit);
  return deserialize(schema, parse(bytes));
}

/** Whether the media type is `application/json` or ends with `+json`, as axum takes it. */
function isJson(contentType: string | null): boolean {
  return /^\s*application\/([\w.!#$&^-]+\+)?json\s*(;|$)/i.test(contentType ?? "");
}

/** The whole body; the length is counted, for a chunked body has no `content-length`. */
async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new BodyError("Failed to buffer the request body: length limit exceeded", 413);
  if (Number(request.headers.get("content-length")) > limit) throw tooLarge();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const chunk of request.body ?? []) {
      length += chunk.byteLength;
      if (length > limit) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new BodyError("Failed to buffer the request body: connection lost", 400, { cause });
  }
  if (length > limit) throw tooLarge();
  return await new Blob(chunks).bytes();
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
