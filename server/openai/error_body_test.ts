import { deepEqual, equal } from "node:assert/strict";
import {
  BodyError,
  GenerationError,
  IncompleteGenerationError,
  MethodError,
  NotFoundError,
  OverloadedError,
  TemplateError,
  type TgiError,
  ToolError,
  UnauthorizedError,
  UnhealthyError,
  ValidationError,
} from "../errors.ts";
import { openAiErrorBody, openAiErrorResponse, openAiStatus } from "./error_body.ts";

const table: readonly (readonly [TgiError, number, string, string | null])[] = [
  [ValidationError.ofParam("n", "no"), 400, "invalid_request_error", null],
  [new BodyError("no"), 400, "invalid_request_error", null],
  [new BodyError("no", 413), 413, "invalid_request_error", null],
  [new ToolError("no"), 400, "invalid_request_error", "tool_error"],
  [new TemplateError("no"), 400, "invalid_request_error", "template_error"],
  [new UnauthorizedError(), 401, "invalid_request_error", "invalid_api_key"],
  [new NotFoundError("no"), 404, "invalid_request_error", null],
  [new NotFoundError("no", "model_not_found"), 404, "invalid_request_error", "model_not_found"],
  [new MethodError("PUT", "POST"), 405, "invalid_request_error", null],
  [new OverloadedError(), 429, "rate_limit_error", "rate_limit_exceeded"],
  [new GenerationError("no"), 500, "server_error", null],
  [new IncompleteGenerationError(), 500, "server_error", null],
  [new UnhealthyError(), 503, "server_error", null],
];

for (const [error, status, type, code] of table) {
  Deno.test(`${error.name} ${error.status} is a ${status} of type ${type}, code ${code}`, () => {
    const body = openAiErrorBody(error).error;
    deepEqual([openAiStatus(error), body.type, body.code], [status, type, code]);
  });
}

Deno.test("TGI's prefix is left out, and the field at fault is named", () => {
  equal(openAiErrorBody(ValidationError.ofInput("`x` is no")).error.message, "`x` is no");
  equal(openAiErrorBody(ValidationError.ofParam("n", "no")).error.param, "n");
});

Deno.test("the core's messages about lengths have OpenAI's code", () => {
  for (
    const message of [
      "`inputs` must have less than 3 tokens. Given: 4",
      "`inputs` tokens + `max_new_tokens` must be <= 9. Given: 5 `inputs` tokens and 6 `max_new_tokens`",
    ]
  ) {
    equal(openAiErrorBody(ValidationError.ofInput(message)).error.code, "context_length_exceeded");
  }
});

Deno.test("who is turned away is told when to ask again, who has no key how to send one", () => {
  equal(openAiErrorResponse(new OverloadedError()).headers.get("retry-after"), "1");
  equal(openAiErrorResponse(new UnauthorizedError()).headers.get("www-authenticate"), "Bearer");
});
