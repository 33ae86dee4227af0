/** Answers `/v1/completions`: many generations under one request, whole or streamed. */

import { servedAs } from "../adapter_choice.ts";
import type { AppContext } from "../context.ts";
import { gather, type Gathered } from "../generation/gather.ts";
import { computeHeaders, generationHeaders } from "../generation/headers.ts";
import { OpenRequest } from "../generation/open_request.ts";
import { streamPieces } from "../generation/piece_stream.ts";
import type { Member } from "../generation/pieces.ts";
import { arrayJson } from "../generation/wire.ts";
import { type Admitted, orFail } from "../routes/answers.ts";
import { CompletionRequest } from "../schemas/completion.ts";
import { event, eventStreamHeaders } from "../sse.ts";
import { type CompletionPiece, CompletionReader } from "./completion_reader.ts";
import { type CompletionPlan, planCompletion } from "./completion_request.ts";
import { CompletionWriter } from "./completion_wire.ts";
import { openAiErrorBody } from "./error_body.ts";
import { ignoredFields, ignoredHeaders } from "./ignored.ts";
import { DONE_EVENT, replyHead, usageJson } from "./reply.ts";

/** What both ways to answer take. */
interface Planned {
  readonly context: AppContext;
  readonly plan: CompletionPlan;
  readonly members: readonly Member<CompletionPiece>[];
  readonly headers: Record<string, string>;
}

/** Answers a body that holds its first permit. Throws a `TgiError` before a stream has begun. */
export async function answerCompletion(
  context: AppContext,
  { open, body }: Admitted<CompletionRequest>,
  signal: AbortSignal,
): Promise<Response> {
  return await orFail(open, async () => {
    const ignored = ignoredFields(body, CompletionRequest.shape);
    const headers = ignoredHeaders(ignored, context.options.strict);
    const plan = planCompletion(body, context);
    const opens = OpenRequest.admitAll(open, context.permits, plan.jobs.length);
    const members = opens.map((open, index) => {
      const { job, shape } = plan.jobs[index]!;
      return { open, job, reader: new CompletionReader(shape) };
    });
    const planned = { context: servedAs(context, body.model), plan, members, headers };
    if (body.stream !== true) return await answerWhole(planned, signal);
    return await answerStream(planned, body.stream_options?.include_usage === true, signal);
  });
}

async function answerWhole(
  { context, plan, members, headers }: Planned,
  signal: AbortSignal,
): Promise<Response> {
  const all = await gather(context.engine, members, signal);
  const choices = chosen(all, plan).map(({ pieces }, index) =>
    new CompletionWriter(index, plan.topCount).choice(pieces)
  );
  const usage = usageJson(all.map(({ done }) => done), plan.generations);
  const { computeType } = context.options;
  const { done, timings } = all[0]!;
  const head = replyHead("cmpl", "text_completion", context.options);
  return new Response(`${head},"choices":${arrayJson(choices)},"usage":${usage}}`, {
    headers: {
      "content-type": "application/json",
      ...generationHeaders(computeType, plan.characters, done, timings),
      ...headers,
    },
  });
}

/** The choices of each prompt; where there are more generations, the likeliest by mean logprob. */
function chosen(
  all: readonly Gathered<CompletionPiece>[],
  { generations, choices }: CompletionPlan,
): readonly Gathered<CompletionPiece>[] {
  if (generations === choices) return all;
  return Array.from(
    { length: all.length / generations },
    (_, place) =>
      all.slice(place * generations, (place + 1) * generations)
        .toSorted((a, b) => b.meanLogprob - a.meanLogprob).slice(0, choices),
  ).flat();
}

async function answerStream(
  { context, plan, members, headers }: Planned,
  includeUsage: boolean,
  signal: AbortSignal,
): Promise<Response> {
  const head = replyHead("cmpl", "text_completion", context.options);
  const writers = members.map((_, index) => new CompletionWriter(index, plan.topCount));
  const noUsage = includeUsage ? ',"usage":null' : "";
  const body = await streamPieces(context.engine, members, signal, {
    keepAliveMillis: context.keepAliveMillis,
    opening: () => "",
    encode: (index, piece) =>
      event(`${head},"choices":[${writers[index]?.choice([piece])}]${noUsage}}`),
    closing: (done) => {
      const usage = `${head},"choices":[],"usage":${usageJson(done, plan.generations)}}`;
      return (includeUsage ? event(usage) : "") + DONE_EVENT;
    },
    failure: (error) => event(JSON.stringify(openAiErrorBody(error))),
  });
  return new Response(body, {
    headers: {
      ...eventStreamHeaders,
      ...computeHeaders(context.options.computeType, plan.characters),
      ...headers,
    },
  });
}
