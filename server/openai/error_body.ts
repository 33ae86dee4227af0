/** Errors as OpenAI's clients read them: the status first, then `error.type` and `error.code`. */

import { MethodError, NotFoundError, type TgiError, ValidationError } from "../errors.ts";

/** Seconds after which a client that was turned away may ask again. */
const RETRY_SECONDS = "1";

/** OpenAI's error body. */
export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** TGI's prefix says nothing to a client that reads `type`. */
const INPUT_PREFIX = "Input validation error: ";

/** The body for an error. */
export function openAiErrorBody(error: TgiError): OpenAiErrorBody {
  const message = error.message.startsWith(INPUT_PREFIX)
    ? error.message.slice(INPUT_PREFIX.length)
    : error.message;
  const param = error instanceof ValidationError ? error.param : null;
  return { error: { message, type: typeOf(error), param, code: codeOf(error) } };
}

/** The status: what a client can mend is a 400, what it cannot is a 500 or 503. */
export function openAiStatus(error: TgiError): number {
  if (error.status === 422) return 400;
  return error.status === 424 ? 500 : error.status;
}

/** The whole answer. */
export function openAiErrorResponse(error: TgiError): Response {
  const status = openAiStatus(error);
  return Response.json(openAiErrorBody(error), {
    status,
    headers: {
      ...(status === 429 ? { "retry-after": RETRY_SECONDS } : {}),
      ...(error instanceof MethodError ? { allow: error.allow } : {}),
      ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    },
  });
}

function typeOf(error: TgiError): string {
  const status = openAiStatus(error);
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

function codeOf(error: TgiError): string | null {
  if (error instanceof NotFoundError) return error.code;
  switch (error.errorType) {
    case "overloaded":
      return "rate_limit_exceeded";
    case "unauthorized":
      return "invalid_api_key";
    case "validation":
      return isTooLong(error.message) ? "context_length_exceeded" : null;
    case "template_error":
    case "tool_error":
      return error.errorType;
    default:
      return null;
  }
}

/** The core's two messages about lengths. */
function isTooLong(message: string): boolean {
  return /`inputs` (must have less than \d+ tokens|tokens \+ `max_new_tokens`)/.test(message);
}
