/**
 * `POST /vertex`: what Google Vertex AI calls. Each instance is a generation or a chat of its own;
 * all parameters hold, where TGI takes only `max_new_tokens` and `seed` of them.
 */

import type { Context } from "hono";
import type { DoneRecord, GeneratedRecord, GenerateJob } from "../../ffi/types.ts";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { ValidationError } from "../errors.ts";
import { gather } from "../generation/gather.ts";
import { OpenRequest } from "../generation/open_request.ts";
import type { PieceReader } from "../generation/pieces.ts";
import { type ChatPiece, ChatReader } from "../openai/chat_reader.ts";
import { planChat } from "../openai/chat_request.ts";
import { ignoredFields, ignoredHeaders } from "../openai/ignored.ts";
import { ChatRequest } from "../schemas/chat.ts";
import { deserialize } from "../schemas/deserialize.ts";
import { GenerateRequest } from "../schemas/generate.ts";
import { vertexInstances, VertexRequest, vertexRequest } from "../schemas/vertex.ts";
import { admit, ignoredNames, orFail, prepare } from "./answers.ts";

/** One instance: its job, and how its text is read. */
interface Instance {
  readonly job: GenerateJob;
  readonly reader: PieceReader<string>;
  /** Fields of its body that nobody reads. */
  readonly ignored: readonly string[];
}

/** An instance has one text, and it comes whole. */
const { n: _n, stream: _stream, stream_options: _options, ...CHAT_FIELDS } = ChatRequest.shape;

/** `{"predictions": […]}`; one instance that fails fails all. */
export function vertex(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const signal = departureOf(c.req.raw);
    const { open, body } = await admit(context, c.req.raw, vertexRequest);
    const { all, headers } = await orFail(open, async () => {
      const instances = await plan(body.instances, context);
      const ignored = instances.flatMap(({ ignored }) => ignored)
        .concat(ignoredFields(body, VertexRequest.shape));
      const headers = ignoredHeaders([...new Set(ignored)], context.options.strict);
      const opens = OpenRequest.admitAll(open, context.permits, instances.length);
      const members = opens.map((open, index) => ({ open, ...instances[index]! }));
      return { headers, all: await gather(context.engine, members, signal) };
    });
    return Response.json({ predictions: all.map(({ pieces }) => pieces.join("")) }, { headers });
  };
}

async function plan(
  bodies: readonly Record<string, unknown>[],
  context: AppContext,
): Promise<Instance[]> {
  const { maxClientBatchSize } = context.options;
  const most = Math.min(maxClientBatchSize, context.permits.limit);
  if (bodies.length === 0) throw ValidationError.ofInput("`instances` cannot be empty");
  if (bodies.length > most) {
    throw ValidationError.ofInput(
      `\`instances\` must have at most ${most} items. Given: ${bodies.length}`,
    );
  }
  const instances: Instance[] = [];
  for (const body of bodies) instances.push(await planOne(body, context));
  return instances;
}

async function planOne(body: Record<string, unknown>, context: AppContext): Promise<Instance> {
  if ("messages" in body) {
    const chat = deserialize(vertexInstances.chat, body);
    const { jobs: [job], shape } = await planChat({ ...chat, n: 1 }, context);
    const reader = new ContentReader(new ChatReader(shape));
    return { job: job!, reader, ignored: ignoredFields(chat, CHAT_FIELDS) };
  }
  const generation = deserialize(vertexInstances.generate, body);
  const fields = GenerateRequest.shape;
  const choices = { returnFullText: false, prefillWithDetails: false, fields };
  const { job, prompt } = prepare(context, generation, choices, false);
  return { job, reader: new TextReader(prompt), ignored: ignoredNames(generation, fields) };
}

/** The whole text, once it is there. */
class TextReader implements PieceReader<string> {
  constructor(readonly prompt: string) {}

  prefill(): void {}

  token(): readonly string[] {
    return [];
  }

  done(record: DoneRecord): readonly string[] {
    return [this.prompt + record.generatedText];
  }
}

/** The content of a chat's turn. */
class ContentReader implements PieceReader<string> {
  constructor(readonly turn: PieceReader<ChatPiece>) {}

  prefill(): void {}

  token(record: GeneratedRecord): readonly string[] {
    return contentOf(this.turn.token(record));
  }

  done(record: DoneRecord): readonly string[] {
    return contentOf(this.turn.done(record));
  }
}

function contentOf(pieces: readonly ChatPiece[]): readonly string[] {
  return pieces.flatMap(({ deltas }) =>
    deltas.map((delta) => delta.kind === "content" ? delta.text : "")
  );
}
