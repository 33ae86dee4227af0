/** Answers chats: the conversation rendered, then one generation for each choice. */

import type { AppContext } from "../context.ts";
import { countCharacters } from "../generation/request.ts";
import type { Admitted } from "../routes/answers.ts";
import { ChatRequest } from "../schemas/chat.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { type ChatPiece, ChatReader } from "./chat_reader.ts";
import { type ChatPlan, planChat } from "./chat_request.ts";
import { ChatWriter } from "./chat_wire.ts";

/** Answers a body that holds its first permit. Throws a `TgiError` before a stream has begun. */
export async function answerChat(
  context: AppContext,
  admitted: Admitted<ChatRequest>,
  signal: AbortSignal,
): Promise<Response> {
  return await answer(
    context,
    admitted,
    signal,
    ChatRequest.shape,
    async (body) => chatAnswer(await planChat(body, context)),
  );
}

function chatAnswer({ jobs, shape, prompt }: ChatPlan): AnswerPlan<ChatPiece> {
  const writers = jobs.map((_, index) => new ChatWriter(index, shape.logprobs));
  return {
    jobs: jobs.map((job) => ({ job, reader: new ChatReader(shape) })),
    generations: jobs.length,
    characters: countCharacters(prompt),
    wire: {
      id: "chatcmpl",
      whole: "chat.completion",
      chunk: "chat.completion.chunk",
      choices: (all) => all.map(({ pieces }, index) => writers[index]!.whole(pieces)),
      opening: (index) => [writers[index]!.opening()],
      chunks: (index, piece) => writers[index]!.chunks(piece),
    },
  };
}
