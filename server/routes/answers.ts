/** The two ways to answer a generation, and what they share. */

import type { z } from "zod";
import { callerOf } from "../caller.ts";
import type { AppContext } from "../context.ts";
import { BodyError, IncompleteGenerationError, TgiError } from "../errors.ts";
import { collectBestOf, type Collected, responseJson } from "../generation/collect.ts";
import { computeHeaders, generationHeaders } from "../generation/headers.ts";
import { OpenRequest } from "../generation/open_request.ts";
import {
  type GenerationRequest,
  type RouteDefaults,
  toGenerationRequest,
} from "../generation/request.ts";
import { stream } from "../generation/stream.ts";
import { ignoredFields, ignoredHeaders } from "../openai/ignored.ts";
import { readJson } from "../schemas/body.ts";
import { GenerateParameters, type GenerateRequest } from "../schemas/generate.ts";
import { validate } from "../schemas/validate.ts";
import { event, eventStreamHeaders } from "../sse.ts";

/** What a route adds to the defaults of the server. */
export interface RouteChoices extends Omit<RouteDefaults, "profile" | "watermark" | "adapters"> {
  /** Fields of the body that the route reads, by name. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A request with its permit and its body. */
export interface Admitted<Body> {
  readonly open: OpenRequest;
  readonly body: Body;
}

/** Takes a permit, then reads the body: a saturated server reads nothing. Throws a `TgiError`. */
export async function admit<Body>(
  context: AppContext,
  request: Request,
  schema: z.ZodType<Body>,
): Promise<Admitted<Body>> {
  const open = OpenRequest.admit(context.metrics, context.permits, callerOf(request));
  try {
    return { open, body: await readJson(request, schema, context.options.payloadLimit) };
  } catch (error) {
    open.fail(error);
    throw error;
  }
}

/** Generates all, then answers with `wrap` around TGI's `GenerateResponse`. Throws a `TgiError`. */
export async function answerWhole(
  context: AppContext,
  { open, body }: Admitted<GenerateRequest>,
  signal: AbortSignal,
  choices: RouteChoices,
  wrap: (json: string) => string = (json) => json,
): Promise<Response> {
  return await orFail(open, async () => {
    const ignored = ignoredHeaders(ignoredNames(body, choices.fields), context.options.strict);
    const request = prepare(context, body, choices, false);
    const opens = OpenRequest.admitAll(open, context.permits, body.parameters?.best_of ?? 1);
    const [best, ...others] = await collectBestOf(context.engine, opens, request, signal);
    const headers = { ...wholeHeaders(context, request, best), ...ignored };
    return new Response(wrap(responseJson(best, others)), { headers });
  });
}

function wholeHeaders(context: AppContext, request: GenerationRequest, result: Collected) {
  const { computeType } = context.options;
  return {
    "content-type": "application/json",
    ...generationHeaders(computeType, request.characters, result.done, result.timings),
  };
}

/** Answers with events. Throws a `TgiError` when the generation fails before its first event. */
export async function answerStream(
  context: AppContext,
  { open, body }: Admitted<GenerateRequest>,
  signal: AbortSignal,
  choices: RouteChoices,
): Promise<Response> {
  const { computeType, streamErrorsAsEvents, strict } = context.options;
  const options = {
    keepAliveMillis: context.keepAliveMillis,
    errorsAsEvents: streamErrorsAsEvents,
  };
  return await orFail(open, async () => {
    const ignored = ignoredHeaders(ignoredNames(body, choices.fields), strict);
    const request = prepare(context, body, choices, true);
    const events = await stream(context.engine, open, request, signal, options);
    const compute = computeHeaders(computeType, request.characters);
    return new Response(events, { headers: { ...eventStreamHeaders, ...compute, ...ignored } });
  });
}

/**
 * The answer to a stream that failed before its first event: the error's status, and one event
 * when `Accept` names event streams, else JSON, which TGI's clients read when the status is not
 * 200. With `asEvents` it is TGI's own: 200 and one event, except for a body that is no request.
 */
export function streamFailure(error: unknown, request: Request, asEvents: boolean): Response {
  const known = error instanceof TgiError ? error : new IncompleteGenerationError();
  const isEvent = asEvents && !(known instanceof BodyError);
  const accepts = request.headers.get("accept")?.includes("text/event-stream") ?? false;
  if (!isEvent && !accepts) return errorResponse(known);
  const status = isEvent ? 200 : known.status;
  return new Response(event(JSON.stringify(known.body())), { status, headers: eventStreamHeaders });
}

/** TGI's error body with its status. */
export function errorResponse(error: TgiError): Response {
  const headers = { "content-type": "application/json" };
  return new Response(JSON.stringify(error.body()), { status: error.status, headers });
}

/** Fields of a native body and its parameters that nobody reads. */
export function ignoredNames(
  body: GenerateRequest,
  fields: RouteChoices["fields"],
): readonly string[] {
  const inside = ignoredFields(body.parameters ?? {}, GenerateParameters.shape);
  return [...new Set([...ignoredFields(body, fields), ...inside])];
}

/** Checks the bounds and makes the job. Throws a `ValidationError`. */
export function prepare(
  context: AppContext,
  body: GenerateRequest,
  choices: RouteChoices,
  isStream: boolean,
): GenerationRequest {
  const { profile, watermark, adapters } = context.options;
  const { maxInputTokens, vocab } = context.engine.info;
  validate(body, { ...context.options, maxInputTokens, vocab }, isStream);
  return toGenerationRequest(body, { ...choices, profile, watermark, adapters });
}

/** Ends the request when `work` throws before the core has taken it. */
export async function orFail<Result>(
  open: OpenRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    open.fail(error);
    throw error;
  }
}
