/** `POST /v1/completions`: OpenAI's completions. */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { answerCompletion } from "../openai/answer_completion.ts";
import { completionRequest } from "../schemas/completion.ts";
import { admit } from "./answers.ts";

/** Whole or streamed, as the body says. */
export function completions(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    const admitted = await admit(context, request, completionRequest);
    return await answerCompletion(context, admitted, departureOf(request));
  };
}
