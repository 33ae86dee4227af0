/** `POST /v1/chat/completions`: OpenAI's chat. */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { answerChat } from "../openai/answer_chat.ts";
import { chatRequest } from "../schemas/chat.ts";
import { admit } from "./answers.ts";

/** Whole or streamed, as the body says. */
export function chatCompletions(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    const admitted = await admit(context, request, chatRequest);
    return await answerChat(context, admitted, departureOf(request));
  };
}
