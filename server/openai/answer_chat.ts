/** Answers chats: the conversation rendered, then one generation for each choice. */

import { servedAs } from "../adapter_choice.ts";
import type { AppContext } from "../context.ts";
import { gather } from "../generation/gather.ts";
import { computeHeaders, generationHeaders } from "../generation/headers.ts";
import { OpenRequest } from "../generation/open_request.ts";
import { streamPieces } from "../generation/piece_stream.ts";
import type { Member } from "../generation/pieces.ts";
import { countCharacters } from "../generation/request.ts";
import { arrayJson } from "../generation/wire.ts";
import { type Admitted, orFail } from "../routes/answers.ts";
import { ChatRequest } from "../schemas/chat.ts";
import { event, eventStreamHeaders } from "../sse.ts";
import { type ChatPiece, ChatReader } from "./chat_reader.ts";
import { type ChatPlan, planChat } from "./chat_request.ts";
import { ChatWriter } from "./chat_wire.ts";
import { openAiErrorBody } from "./error_body.ts";
import { ignoredFields, ignoredHeaders } from "./ignored.ts";
import { DONE_EVENT, replyHead, usageJson } from "./reply.ts";

/** What both ways to answer take. */
interface Planned {
  readonly context: AppContext;
  readonly plan: ChatPlan;
  readonly members: readonly Member<ChatPiece>[];
  readonly headers: Record<string, string>;
}

/** Answers a body that holds its first permit. Throws a `TgiError` before a stream has begun. */
export async function answerChat(
  context: AppContext,
  { open, body }: Admitted<ChatRequest>,
  signal: AbortSignal,
): Promise<Response> {
  return await orFail(open, async () => {
    const ignored = ignoredFields(body, ChatRequest.shape);
    const headers = ignoredHeaders(ignored, context.options.strict);
    const plan = await planChat(body, context);
    const opens = OpenRequest.admitAll(open, context.permits, plan.jobs.length);
    const members = opens.map((open, index) => {
      return { open, job: plan.jobs[index]!, reader: new ChatReader(plan.shape) };
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
  const choices = all.map(({ pieces }, index) =>
    new ChatWriter(index, plan.shape.logprobs).whole(pieces)
  );
  const usage = usageJson(all.map(({ done }) => done), all.length);
  const { done, timings } = all[0]!;
  const characters = countCharacters(plan.prompt);
  const head = replyHead("chatcmpl", "chat.completion", context.options);
  return new Response(`${head},"choices":${arrayJson(choices)},"usage":${usage}}`, {
    headers: {
      "content-type": "application/json",
      ...generationHeaders(context.options.computeType, characters, done, timings),
      ...headers,
    },
  });
}

async function answerStream(
  { context, plan, members, headers }: Planned,
  includeUsage: boolean,
  signal: AbortSignal,
): Promise<Response> {
  const head = replyHead("chatcmpl", "chat.completion.chunk", context.options);
  const writers = members.map((_, index) => new ChatWriter(index, plan.shape.logprobs));
  const noUsage = includeUsage ? ',"usage":null' : "";
  const chunk = (choice: string) => event(`${head},"choices":[${choice}]${noUsage}}`);
  const body = await streamPieces(context.engine, members, signal, {
    keepAliveMillis: context.keepAliveMillis,
    opening: (index) => chunk(writers[index]!.opening()),
    encode: (index, piece) => writers[index]!.chunks(piece).map(chunk).join(""),
    closing: (done) => {
      const usage = `${head},"choices":[],"usage":${usageJson(done, done.length)}}`;
      return (includeUsage ? event(usage) : "") + DONE_EVENT;
    },
    failure: (error) => event(JSON.stringify(openAiErrorBody(error))),
  });
  const characters = countCharacters(plan.prompt);
  return new Response(body, {
    headers: {
      ...eventStreamHeaders,
      ...computeHeaders(context.options.computeType, characters),
      ...headers,
    },
  });
}
