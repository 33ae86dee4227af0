import assert from "node:assert/strict";
import {
  BodyError,
  errorOfFailure,
  GenerationError,
  IncompleteGenerationError,
  OverloadedError,
  UnhealthyError,
  ValidationError,
} from "./errors.ts";

Deno.test("each error has TGI's status and body", () => {
  const bodies = [
    new ValidationError("bad", 400),
    ValidationError.ofInput("`inputs` cannot be empty"),
    new OverloadedError(),
    new GenerationError("Server error: oops"),
    new IncompleteGenerationError(),
    new UnhealthyError(),
  ].map((error) => `${error.status} ${JSON.stringify(error.body())}`);
  assert.deepEqual(bodies, [
    '400 {"error":"bad","error_type":"validation"}',
    '422 {"error":"Input validation error: `inputs` cannot be empty","error_type":"validation"}',
    '429 {"error":"Model is overloaded","error_type":"overloaded"}',
    '424 {"error":"Request failed during generation: Server error: oops","error_type":"generation"}',
    '500 {"error":"Incomplete generation","error_type":"incomplete_generation"}',
    '503 {"error":"unhealthy","error_type":"healthcheck"}',
  ]);
});

Deno.test("a failure in the core becomes the error that clients know", () => {
  const messages = (["validation", "generation", "abandoned", "incomplete"] as const).map(
    (kind) => {
      const error = errorOfFailure({ kind, message: "why" });
      return [error.status, error.message];
    },
  );
  assert.deepEqual(messages, [
    [422, "Input validation error: why"],
    [424, "Request failed during generation: Server error: why"],
    [424, "Request failed during generation: Server error: why"],
    [500, "Incomplete generation"],
  ]);
});

Deno.test("a body error is a validation error", () => {
  const error = new BodyError("too large", 413);
  assert.ok(error instanceof ValidationError);
  assert.equal(error.status, 413);
  assert.equal(error.errorType, "validation");
});
