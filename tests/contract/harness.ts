/** What the contract tests share: a server over the fake core, and ways to call it. */

import type { Hono } from "hono";
import { createApp } from "../../server/app.ts";
import type { ServerOptions } from "../../server/server_options.ts";
import { FakeEngine } from "./fake_engine.ts";
import { FakeRenderer, FakeTokenizer } from "./fake_text.ts";

/** Options of a server as TGI's launcher starts it. */
export const options: ServerOptions = {
  version: "0.1.0",
  profile: "0.3.1",
  modelId: "fake/model",
  modelSha: null,
  computeType: "cpu",
  maxConcurrentRequests: 4,
  watermark: { gamma: 0.5, delta: 2 },
  maxBestOf: 1,
  maxStopSequences: 4,
  adapters: [],
  maxTopNTokens: 5,
  maxClientBatchSize: 4,
  validationWorkers: 2,
  payloadLimit: 2000,
  streamErrorsAsEvents: false,
  disableGrammarSupport: false,
  strict: false,
  corsAllowOrigin: [],
  apiKeys: [],
  allowedHosts: null,
};

/** A server and its core. */
export interface TestServer {
  readonly app: Hono;
  readonly engine: FakeEngine;
  readonly chat: FakeRenderer;
}

/** A server whose core steps by itself unless `automatic` is false. */
export function start(
  changes: Partial<ServerOptions> & {
    automatic?: boolean;
    keepAliveMillis?: number;
    template?: string | null;
  } = {},
): TestServer {
  const { automatic = true, keepAliveMillis = 15_000, template = "", ...rest } = changes;
  const engine = new FakeEngine(automatic);
  const chat = new FakeRenderer(template);
  const tokenizer = new FakeTokenizer();
  const all = { ...options, ...rest };
  return {
    engine,
    chat,
    app: createApp({ engine, chat, tokenizer, options: all, keepAliveMillis }),
  };
}

/** Sends JSON, or text as it is. */
export function post(
  app: Hono,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return Promise.resolve(app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  }));
}

/** Status, content type and body in one line each. */
export async function summary(response: Response): Promise<string> {
  return `${response.status} ${response.headers.get("content-type")}\n${await response.text()}`;
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Waits until `condition` holds; the test's own time limit ends a wait without end. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The value of one series of `/metrics`, NaN when there is none. */
export async function metric(app: Hono, series: string): Promise<number> {
  const text = await (await app.request("/metrics")).text();
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? NaN);
}
