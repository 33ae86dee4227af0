/**
 * The OpenAPI 3.0.3 document: TGI 0.3.1's own, widened by what later clients need. The schemas
 * come from zod; only paths are written here.
 */

import { z } from "zod";
import { responseHeaders } from "./generation/headers.ts";
import { ChatMessage, ChatRequest, ChatTool, ResponseFormat } from "./schemas/chat.ts";
import { CompletionRequest } from "./schemas/completion.ts";
import { CompatGenerateRequest, GenerateParameters, GenerateRequest } from "./schemas/generate.ts";
import { Grammar } from "./schemas/grammar.ts";
import { StreamOptions } from "./schemas/openai.ts";
import {
  ChatCompletion,
  ChatCompletionChunk,
  Completion,
  CompletionChoice,
  Model,
  ModelList,
  OpenAiError,
  ToolCallDelta,
  ToolCallJson,
  Usage,
} from "./schemas/openai_responses.ts";
import {
  Accounting,
  BestOfSequence,
  ChatTokenizeResponse,
  Details,
  ErrorResponse,
  FinishReason,
  GenerateResponse,
  Info,
  PrefillToken,
  SimpleToken,
  StreamDetails,
  StreamResponse,
  Token,
} from "./schemas/responses.ts";
import { VertexRequest, VertexResponse } from "./schemas/vertex.ts";

type Json = Record<string, unknown>;

const TAG = "Text Generation Inference";
const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

/** TGI's answer to a missing or wrong key has no body. */
const UNAUTHORIZED: Json = { description: "The key is missing or wrong" };

/** The document, in JSON values. */
export function openApiDocument(): Json {
  return {
    openapi: "3.0.3",
    info: {
      title: TAG,
      description: "Text Generation Webserver",
      contact: { name: "Olivier Dehaene", email: "olivier@huggingface.co" },
      license: { name: "Apache 2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
      version: "0.3.1",
    },
    paths: { ...generationPaths(), ...openAiPaths(), ...cloudPaths(), ...servicePaths() },
    components: { schemas: componentSchemas() },
    tags: [{ name: TAG, description: "Hugging Face Text Generation Inference API" }],
  };
}

function generationPaths(): Json {
  const whole = { [JSON_TYPE]: content(reference("GenerateResponse")) };
  const list = { [JSON_TYPE]: content({ type: "array", items: reference("GenerateResponse") }) };
  const events = { [EVENTS_TYPE]: content(reference("StreamResponse")) };
  return {
    "/": {
      post: generation({
        id: "compat_generate",
        summary: "Generate tokens if `stream == false` or a stream of token if `stream == true`",
        body: "CompatGenerateRequest",
        reply: { ...list, ...events },
        errorTypes: [JSON_TYPE, EVENTS_TYPE],
      }),
      get: health("root_health"),
    },
    "/generate": {
      post: generation({
        id: "generate",
        summary: "Generate tokens",
        body: "GenerateRequest",
        reply: whole,
        errorTypes: [JSON_TYPE],
      }),
    },
    "/generate_stream": {
      post: generation({
        id: "generate_stream",
        summary: "Generate a stream of token using Server-Sent Events",
        body: "GenerateRequest",
        reply: events,
        errorTypes: [EVENTS_TYPE, JSON_TYPE],
      }),
    },
  };
}

function openAiPaths(): Json {
  const models = { [JSON_TYPE]: content(reference("ModelList")) };
  const one = { [JSON_TYPE]: content(reference("Model")) };
  return {
    "/v1/chat/completions": {
      post: openAiGeneration("chat_completions", "Generate a turn of a chat", "ChatRequest", {
        [JSON_TYPE]: content(reference("ChatCompletion")),
        [EVENTS_TYPE]: content(reference("ChatCompletionChunk")),
      }),
    },
    "/v1/completions": {
      post: openAiGeneration("completions", "Generate completions", "CompletionRequest", {
        [JSON_TYPE]: content(reference("Completion")),
        [EVENTS_TYPE]: content(reference("Completion")),
      }),
    },
    "/v1/models": {
      get: operation("openai_get_models", "Get the model that is served", {
        200: { description: "The model, then its adapters", content: models },
        401: openAiErrorContent(OPENAI_ERRORS[401]),
      }),
    },
    "/v1/models/{id}": {
      get: {
        ...operation("openai_get_model", "Get a model by its id", {
          200: { description: "The model", content: one },
          401: openAiErrorContent(OPENAI_ERRORS[401]),
          404: openAiErrorContent("Any other model"),
        }),
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      },
    },
  };
}

/** Statuses that the OpenAI routes answer, with what leads to them. */
const OPENAI_ERRORS = {
  400: "The body cannot be read, or a field is out of bounds",
  401: "The key is missing or wrong",
  408: "The body did not come in time",
  413: "The body is too large",
  415: "The body is no JSON",
  429: "Too few generations are free",
  500: "The generation failed",
};

function openAiGeneration(id: string, summary: string, body: string, reply: Json): Json {
  const errors = Object.entries(OPENAI_ERRORS)
    .map(([status, description]) => [status, openAiErrorContent(description)]);
  const requestBody = { content: { [JSON_TYPE]: content(reference(body)) }, required: true };
  const replies = { 200: { description: "Generated", headers: headers(), content: reply } };
  return { ...operation(id, summary, { ...replies, ...Object.fromEntries(errors) }), requestBody };
}

function openAiErrorContent(description: string): Json {
  return { description, content: { [JSON_TYPE]: content(reference("OpenAiError")) } };
}

function cloudPaths(): Json {
  const json = (schema: Json) => ({ [JSON_TYPE]: content(schema) });
  const either = (names: readonly string[]) => ({ oneOf: names.map(reference) });
  const route = (id: string, summary: string, body: string, reply: Json) =>
    generation({ id, summary, body, reply, errorTypes: [JSON_TYPE] });
  const bodies = either(["CompatGenerateRequest", "ChatRequest", "CompletionRequest"]);
  const replies = either(["ChatCompletion", "Completion"]);
  return {
    "/tokenize": {
      post: route(
        "tokenize",
        "Tokenize inputs",
        "GenerateRequest",
        json({ type: "array", items: reference("SimpleToken") }),
      ),
    },
    "/chat_tokenize": {
      post: route(
        "get_chat_tokenize",
        "Template and tokenize a chat",
        "ChatRequest",
        json(reference("ChatTokenizeResponse")),
      ),
    },
    "/invocations": {
      post: {
        ...route("sagemaker_compatibility", "Generate as SageMaker calls it", "ChatRequest", {
          ...json({ anyOf: [replies, { type: "array", items: reference("GenerateResponse") }] }),
          [EVENTS_TYPE]: content(either(["StreamResponse", "ChatCompletionChunk", "Completion"])),
        }),
        requestBody: { content: json(bodies), required: true },
      },
    },
    "/vertex": {
      post: route(
        "vertex_compatibility",
        "Generate as Vertex AI calls it",
        "VertexRequest",
        json(reference("VertexResponse")),
      ),
    },
  };
}

function servicePaths(): Json {
  return {
    "/health": { get: health("health") },
    "/ping": { get: health("ping") },
    "/info": {
      get: operation("get_model_info", "Text Generation Inference endpoint info", {
        200: {
          description: "Served model info",
          content: { [JSON_TYPE]: content(reference("Info")) },
        },
        401: UNAUTHORIZED,
      }),
    },
    "/metrics": {
      get: operation("metrics", "Prometheus metrics scrape endpoint", {
        200: {
          description: "Prometheus Metrics",
          content: { "text/plain": content({ type: "string" }) },
        },
        401: UNAUTHORIZED,
      }),
    },
  };
}

/** A route that generates. */
interface Generation {
  readonly id: string;
  readonly summary: string;
  /** Schema of the body. */
  readonly body: string;
  /** Content of a 200. */
  readonly reply: Json;
  /** Content types of errors. */
  readonly errorTypes: readonly string[];
}

function generation({ id, summary, body, reply, errorTypes }: Generation): Json {
  const error = (description: string, example: string) => ({
    description,
    content: Object.fromEntries(
      errorTypes.map((type) => [type, content(reference("ErrorResponse"), { error: example })]),
    ),
  });
  const bodyError = (description: string) => error(description, description);
  const { responses, ...rest } = operation(id, summary, {
    200: { description: "Generated Text", headers: headers(), content: reply },
    400: bodyError("Failed to parse the request body as JSON"),
    401: UNAUTHORIZED,
    408: bodyError("Failed to buffer the request body: nothing more of it came for 30 s"),
    413: bodyError("Failed to buffer the request body: length limit exceeded"),
    415: bodyError("Expected request with `Content-Type: application/json`"),
    422: bodyError("Input validation error"),
    424: error("Generation Error", "Request failed during generation"),
    429: bodyError("Model is overloaded"),
    500: bodyError("Incomplete generation"),
  });
  const requestBody = { content: { [JSON_TYPE]: content(reference(body)) }, required: true };
  return { ...rest, requestBody, responses };
}

/** A stream has only those that are known before its first token. */
function headers(): Json {
  const entries = Object.entries(responseHeaders).map(([name, { type, description }]) => {
    return [name, { description, schema: { type } }];
  });
  return Object.fromEntries(entries);
}

function health(id: string): Json {
  return operation(id, "Health check method", {
    200: { description: "Everything is working fine" },
    503: {
      description: "Text generation inference is down",
      content: {
        [JSON_TYPE]: content(reference("ErrorResponse"), {
          error: "unhealthy",
          error_type: "healthcheck",
        }),
      },
    },
  });
}

function operation(operationId: string, summary: string, responses: Json): Json {
  return { tags: [TAG], summary, description: summary, operationId, responses, deprecated: false };
}

function content(schema: Json, example?: Json): Json {
  return example ? { schema, example } : { schema };
}

function reference(name: string): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

/** All zod schemas as OpenAPI 3.0 schemas, under the names of their `meta`. */
function componentSchemas(): Json {
  const requests = [
    GenerateParameters,
    GenerateRequest,
    CompatGenerateRequest,
    Grammar,
    ChatMessage,
    ChatTool,
    ResponseFormat,
    StreamOptions,
    ChatRequest,
    CompletionRequest,
    VertexRequest,
  ];
  const responses = [
    Accounting,
    BestOfSequence,
    ChatCompletion,
    ChatCompletionChunk,
    ChatTokenizeResponse,
    Completion,
    CompletionChoice,
    Model,
    ModelList,
    OpenAiError,
    SimpleToken,
    ToolCallDelta,
    ToolCallJson,
    Usage,
    VertexResponse,
    Details,
    ErrorResponse,
    FinishReason,
    GenerateResponse,
    Info,
    PrefillToken,
    StreamDetails,
    StreamResponse,
    Token,
  ];
  const registry = z.registry<{ id: string }>();
  for (const schema of [...requests, ...responses]) {
    registry.add(schema, { id: schema.meta()?.id ?? "" });
  }
  const { schemas } = z.toJSONSchema(registry, {
    target: "openapi-3.0",
    io: "input",
    unrepresentable: "any",
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => simplify(jsonSchema),
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $id: _, ...schema }]) => [name, schema]),
  );
}

/** References that TGI's document has bare, though what they stand for may be null. */
const BARE = new Set(["GenerateParameters", "StreamDetails"].map((name) => reference(name).$ref));

/**
 * zod wraps a reference into `allOf`, beside which `nullable` counts, and bounds every integer by
 * what a double holds; TGI's document has the bare reference and its own bounds.
 */
function simplify(schema: Json): void {
  const { allOf } = schema;
  if (Array.isArray(allOf) && allOf.length === 1 && "$ref" in allOf[0]) {
    if (schema.nullable === true && !BARE.has(allOf[0].$ref)) return;
    schema.$ref = allOf[0].$ref;
    delete schema.allOf;
  }
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}
