/**
 * The one family of errors: every failure that a client or an operator sees is a `TgiError`, and
 * this file alone knows its status and body.
 */

import type { FailedRecord } from "../ffi/types.ts";

/** TGI's `error_type` values. */
export type ErrorType =
  | "validation"
  | "overloaded"
  | "generation"
  | "incomplete_generation"
  | "healthcheck"
  | "template_error"
  | "tool_error"
  | "not_found"
  | "unauthorized";

/** A failure with the status and body that TGI documents for it. */
export class TgiError extends Error {
  override readonly name: string = "TgiError";

  constructor(
    readonly status: number,
    readonly errorType: ErrorType,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** TGI's error body, keys in TGI's order. */
  body(): { error: string; error_type: ErrorType } {
    return { error: this.message, error_type: this.errorType };
  }
}

/** The request breaks a rule: 422, or the status that TGI gives to a body it cannot read. */
export class ValidationError extends TgiError {
  override readonly name: string = "ValidationError";

  /** Field of the body that is at fault, where one is. */
  readonly param: string | null;

  constructor(
    message: string,
    status = 422,
    options: ErrorOptions & { readonly param?: string } = {},
  ) {
    super(status, "validation", message, options);
    this.param = options.param ?? null;
  }

  /** A parameter out of bounds, with TGI's prefix. */
  static ofInput(message: string): ValidationError {
    return new ValidationError(`Input validation error: ${message}`);
  }

  /** A field out of bounds on the OpenAI routes: 422, which they answer as 400. */
  static ofParam(param: string, message: string): ValidationError {
    return new ValidationError(message, 422, { param });
  }
}

/** The tools cannot be used: 422. */
export class ToolError extends TgiError {
  override readonly name = "ToolError";

  constructor(message: string) {
    super(422, "tool_error", `Tool error: ${message}`);
  }
}

/** The messages cannot be made into a prompt: 422. */
export class TemplateError extends TgiError {
  override readonly name = "TemplateError";

  constructor(message: string) {
    super(422, "template_error", `Template error: ${message}`);
  }
}

/** There is no such path or model: 404. */
export class NotFoundError extends TgiError {
  override readonly name = "NotFoundError";

  /** `code` is OpenAI's word for what is missing. */
  constructor(message: string, readonly code: "model_not_found" | null = null) {
    super(404, "not_found", message);
  }
}

/** The path has no such method: 405. */
export class MethodError extends TgiError {
  override readonly name = "MethodError";

  constructor(method: string, readonly allow: string) {
    super(405, "not_found", `Cannot ${method} here: use ${allow}`);
  }
}

/** The key is missing or wrong: 401. */
export class UnauthorizedError extends TgiError {
  override readonly name = "UnauthorizedError";

  constructor() {
    super(401, "unauthorized", "Send a key of this server as `Authorization: Bearer KEY`");
  }
}

/**
 * The body cannot be read into a request: 400, 408, 413, 415 or 422. TGI answers these before its
 * handler runs, so they keep their status and JSON body even where its streams answer 200.
 */
export class BodyError extends ValidationError {
  override readonly name = "BodyError";
}

/** No permit was free: 429. */
export class OverloadedError extends TgiError {
  override readonly name = "OverloadedError";

  constructor() {
    super(429, "overloaded", "Model is overloaded");
  }
}

/** The core failed while generating: 424. */
export class GenerationError extends TgiError {
  override readonly name = "GenerationError";

  constructor(message: string, options?: ErrorOptions) {
    super(424, "generation", `Request failed during generation: ${message}`, options);
  }
}

/** The stream ended without a last token: 500. */
export class IncompleteGenerationError extends TgiError {
  override readonly name = "IncompleteGenerationError";

  constructor() {
    super(500, "incomplete_generation", "Incomplete generation");
  }
}

/** The core cannot generate: 503. */
export class UnhealthyError extends TgiError {
  override readonly name = "UnhealthyError";

  constructor() {
    super(503, "healthcheck", "unhealthy");
  }
}

/** What a client reads of a request that failed in the core, in TGI's words. */
export function errorOfFailure(record: FailedRecord): TgiError {
  switch (record.kind) {
    case "validation":
      return ValidationError.ofInput(record.message);
    case "template":
      return new TemplateError(record.message);
    case "incomplete":
      return new IncompleteGenerationError();
    case "generation":
    case "abandoned":
      return new GenerationError(`Server error: ${record.message}`);
  }
}

/** Start-up failed: the operator reads one sentence and the process ends with `exitCode`. */
export class StartError extends TgiError {
  override readonly name = "StartError";

  constructor(message: string, readonly exitCode = 1, options?: ErrorOptions) {
    super(500, "generation", message, options);
  }
}
