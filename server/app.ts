/** The HTTP server: middleware in its order, and every route. */

import { getLogger } from "@logtape/logtape";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { TextEngine } from "../ffi/types.ts";
import { requireKey } from "./auth.ts";
import { callerOf, identify } from "./caller.ts";
import type { ChatRenderer } from "./chat/renderer.ts";
import type { AppContext } from "./context.ts";
import { type PresenceOf, watchDepartures } from "./departures.ts";
import { IncompleteGenerationError, MethodError, NotFoundError, TgiError } from "./errors.ts";
import { exposedHeaders } from "./generation/headers.ts";
import { allowHosts } from "./hosts.ts";
import { Liveness } from "./liveness.ts";
import { Metrics } from "./metrics/metrics.ts";
import { Permits } from "./permits.ts";
import { openAiErrorResponse } from "./openai/error_body.ts";
import { errorResponse } from "./routes/answers.ts";
import { chatCompletions } from "./routes/chat_completions.ts";
import { compatGenerate } from "./routes/compat_generate.ts";
import { completions } from "./routes/completions.ts";
import {
  apiDocument,
  docsBundle,
  docsInitializer,
  docsPage,
  docsRedirect,
  docsStyle,
} from "./routes/docs.ts";
import { generate } from "./routes/generate.ts";
import { generateStream } from "./routes/generate_stream.ts";
import { health } from "./routes/health.ts";
import { info } from "./routes/info.ts";
import { invocations } from "./routes/invocations.ts";
import { metrics } from "./routes/metrics.ts";
import { model, models } from "./routes/models.ts";
import { chatTokenize, tokenize } from "./routes/tokenize.ts";
import { vertex } from "./routes/vertex.ts";
import type { ServerOptions } from "./server_options.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** What a server is made of. */
export interface AppDeps {
  readonly engine: TextEngine;
  readonly chat: ChatRenderer;
  readonly tokenizer: TextTokenizer;
  readonly options: ServerOptions;
  /** What the kernel knows of clients; where absent, only Deno tells of those that leave. */
  readonly presenceOf?: PresenceOf;
  /** Silence after which a stream gets a comment, ms; TGI's 15 s when absent. */
  readonly keepAliveMillis?: number;
}

type Handler = (c: Context) => Response | Promise<Response>;

/** A path and its methods; any other method gets a 405 that names these. */
type Route = Partial<Record<"GET" | "POST", Handler>>;

/** Makes the app; it takes over the engine's `onStep`. */
export function createApp(deps: AppDeps): Hono {
  const context = createContext(deps);
  const { apiKeys, corsAllowOrigin, allowedHosts } = deps.options;
  const app = new Hono();
  app.onError(onError);
  app.notFound(notFound);
  app.use(identify);
  if (allowedHosts) app.use(allowHosts(allowedHosts));
  if (corsAllowOrigin.length > 0) app.use(allowOrigins(corsAllowOrigin));
  if (apiKeys.length > 0) app.use(requireKey(apiKeys));
  if (deps.presenceOf) app.use(watchDepartures(deps.presenceOf));
  for (const [path, route] of Object.entries(routes(context))) register(app, path, route);
  return app;
}

function routes(context: AppContext): Record<string, Route> {
  return {
    "/": { GET: health(context), POST: compatGenerate(context) },
    "/generate": { POST: generate(context) },
    "/generate_stream": { POST: generateStream(context) },
    "/tokenize": { POST: tokenize(context) },
    "/chat_tokenize": { POST: chatTokenize(context) },
    "/invocations": { POST: invocations(context) },
    "/vertex": { POST: vertex(context) },
    "/v1/chat/completions": { POST: chatCompletions(context) },
    "/v1/completions": { POST: completions(context) },
    "/v1/models": { GET: models(context) },
    "/v1/models/:id{.+}": { GET: model(context) },
    "/health": { GET: health(context) },
    "/ping": { GET: health(context) },
    "/info": { GET: info(context) },
    "/metrics": { GET: metrics(context) },
    "/api-doc/openapi.json": { GET: apiDocument },
    "/docs": { GET: docsRedirect },
    "/docs/": { GET: docsPage },
    "/docs/swagger-ui.css": { GET: docsStyle },
    "/docs/swagger-ui-bundle.js": { GET: docsBundle },
    "/docs/swagger-initializer.js": { GET: docsInitializer },
  };
}

function createContext(deps: AppDeps): AppContext {
  const { engine, options, keepAliveMillis = 15_000 } = deps;
  const metrics = new Metrics(engine.info);
  const permits = new Permits(options.maxConcurrentRequests);
  const liveness = new Liveness(engine);
  engine.onStep = (step) => {
    metrics.stepped(step);
    liveness.stepped(step);
  };
  return { ...deps, metrics, permits, liveness, keepAliveMillis };
}

/** GET answers HEAD, too: Hono runs the handler and leaves the body out. */
function register(app: Hono, path: string, route: Route): void {
  const methods = Object.entries(route);
  for (const [method, handler] of methods) app.on(method, path, handler);
  const allow = methods.map(([method]) => method === "GET" ? "GET,HEAD" : method).join(",");
  app.all(path, (c) => wrongMethod(c, allow));
}

/** An empty body as TGI's, on `/v1` OpenAI's error. */
function notFound(c: Context): Response {
  if (!isOpenAi(c.req.path)) return new Response(null, { status: 404 });
  return openAiErrorResponse(new NotFoundError(`There is no ${c.req.path} here: see /docs`));
}

/** As {@link notFound}, with the methods that there are. */
function wrongMethod(c: Context, allow: string): Response {
  if (!isOpenAi(c.req.path)) return new Response(null, { status: 405, headers: { allow } });
  return openAiErrorResponse(new MethodError(c.req.method, allow));
}

function allowOrigins(origins: readonly string[]) {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "POST"],
    exposeHeaders: [...exposedHeaders],
  });
}

/** An error that nobody foresaw is logged, and is an incomplete generation to the client. */
function onError(error: Error, c: Context): Response {
  const known = error instanceof TgiError ? error : new IncompleteGenerationError();
  if (known !== error) {
    const { requestId } = callerOf(c.req.raw);
    const fields = { error, request_id: requestId };
    getLogger(["tgi", "http"]).error("Cannot answer a request: {error}", fields);
  }
  return isOpenAi(c.req.path) ? openAiErrorResponse(known) : errorResponse(known);
}

/** Whether errors of this path have OpenAI's shape. */
function isOpenAi(path: string): boolean {
  return path.startsWith("/v1/");
}
