/** Answers the OpenAI routes: a planned body's generations, whole or streamed. */

import { servedAs } from "../adapter_choice.ts";
import type { AppContext } from "../context.ts";
import type { GenerateJob } from "../../ffi/types.ts";
import { gather, type Gathered } from "../generation/gather.ts";
import { computeHeaders, generationHeaders } from "../generation/headers.ts";
import { OpenRequest } from "../generation/open_request.ts";
import { streamPieces } from "../generation/piece_stream.ts";
import type { Member, PieceReader } from "../generation/pieces.ts";
import { arrayJson } from "../generation/wire.ts";
import { type Admitted, orFail } from "../routes/answers.ts";
import type { SharedRequest } from "../schemas/openai.ts";
import { event, eventStreamHeaders } from "../sse.ts";
import { openAiErrorBody } from "./error_body.ts";
import { ignoredFields, ignoredHeaders } from "./ignored.ts";
import { DONE_EVENT, replyHead, usageJson } from "./reply.ts";

/** What a route makes of a checked body. */
export interface AnswerPlan<Piece> {
  /** `generations` for each prompt, prompt by prompt. */
  readonly jobs: readonly { readonly job: GenerateJob; readonly reader: PieceReader<Piece> }[];
  /** Generations of each prompt. */
  readonly generations: number;
  /** Unicode characters of all prompts. */
  readonly characters: number;
  readonly wire: AnswerWire<Piece>;
}

/** How a route writes its answers, as JSON. */
export interface AnswerWire<Piece> {
  readonly id: "cmpl" | "chatcmpl";
  /** `object` of a whole answer. */
  readonly whole: string;
  /** `object` of a chunk. */
  readonly chunk: string;
  /** The choices of a whole answer. */
  choices(all: readonly Gathered<Piece>[]): readonly string[];
  /** Choices of the chunks before the first piece of a generation, one a chunk. */
  opening(index: number): readonly string[];
  /** Choices of the chunks of a piece, one a chunk. */
  chunks(index: number, piece: Piece): readonly string[];
}

/** What both ways to answer take. */
interface Planned<Piece> {
  readonly context: AppContext;
  readonly plan: AnswerPlan<Piece>;
  readonly members: readonly Member<Piece>[];
  readonly headers: Record<string, string>;
}

/**
 * Answers a body that holds its first permit, as `plan` says; `known` are the fields that the
 * route reads. Throws a `TgiError` before a stream has begun.
 */
export async function answer<Body extends SharedRequest, Piece>(
  context: AppContext,
  { open, body }: Admitted<Body>,
  signal: AbortSignal,
  known: Readonly<Record<string, unknown>>,
  plan: (body: Body) => AnswerPlan<Piece> | Promise<AnswerPlan<Piece>>,
): Promise<Response> {
  return await orFail(open, async () => {
    const headers = ignoredHeaders(ignoredFields(body, known), context.options.strict);
    const planned = await plan(body);
    const opens = OpenRequest.admitAll(open, context.permits, planned.jobs.length);
    const members = opens.map((open, index) => ({ open, ...planned.jobs[index]! }));
    const all = { context: servedAs(context, body.model), plan: planned, members, headers };
    if (body.stream !== true) return await answerWhole(all, signal);
    return await answerStream(all, body.stream_options?.include_usage === true, signal);
  });
}

async function answerWhole<Piece>(
  { context, plan, members, headers }: Planned<Piece>,
  signal: AbortSignal,
): Promise<Response> {
  const { wire, generations, characters } = plan;
  const all = await gather(context.engine, members, signal);
  const choices = wire.choices(all);
  const usage = usageJson(all.map(({ done }) => done), generations);
  const { done, timings } = all[0]!;
  const head = replyHead(wire.id, wire.whole, context.options);
  return new Response(`${head},"choices":${arrayJson(choices)},"usage":${usage}}`, {
    headers: {
      "content-type": "application/json",
      ...generationHeaders(context.options.computeType, characters, done, timings),
      ...headers,
    },
  });
}

async function answerStream<Piece>(
  { context, plan, members, headers }: Planned<Piece>,
  includeUsage: boolean,
  signal: AbortSignal,
): Promise<Response> {
  const { wire, generations, characters } = plan;
  const head = replyHead(wire.id, wire.chunk, context.options);
  const noUsage = includeUsage ? ',"usage":null' : "";
  const events = (choices: readonly string[]) =>
    choices.map((choice) => event(`${head},"choices":[${choice}]${noUsage}}`)).join("");
  const body = await streamPieces(context.engine, members, signal, {
    keepAliveMillis: context.keepAliveMillis,
    opening: (index) => events(wire.opening(index)),
    encode: (index, piece) => events(wire.chunks(index, piece)),
    closing: (done) => {
      const usage = `${head},"choices":[],"usage":${usageJson(done, generations)}}`;
      return (includeUsage ? event(usage) : "") + DONE_EVENT;
    },
    failure: (error) => event(JSON.stringify(openAiErrorBody(error))),
  });
  return new Response(body, {
    headers: {
      ...eventStreamHeaders,
      ...computeHeaders(context.options.computeType, characters),
      ...headers,
    },
  });
}
