/**
 * `POST /invocations`: the one route that SageMaker calls. The body says by its keys which of the
 * other routes it is for.
 */

import type { Context } from "hono";
import { z } from "zod";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { answerChat } from "../openai/answer_chat.ts";
import { answerCompletion } from "../openai/answer_completion.ts";
import { chatRequest } from "../schemas/chat.ts";
import { completionRequest } from "../schemas/completion.ts";
import { deserialize } from "../schemas/deserialize.ts";
import { compatGenerateRequest } from "../schemas/generate.ts";
import { admit, type Admitted, orFail, streamFailure } from "./answers.ts";
import { answerCompat } from "./compat_generate.ts";

const anyBody = z.looseObject({}, { error: "struct GenerateRequest" });

/** TGI's order: `inputs` is for `POST /`, `messages` a chat, `prompt` a completion. */
export function invocations(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    let admitted: Admitted<Record<string, unknown>>;
    try {
      admitted = await admit(context, request, anyBody);
    } catch (error) {
      return streamFailure(error, request, false);
    }
    const { open, body } = admitted;
    const as = async <Body>(schema: z.ZodType<Body>): Promise<Admitted<Body>> => {
      return { open, body: await orFail(open, async () => await deserialize(schema, body)) };
    };
    if ("inputs" in body) {
      return await answerCompat(context, await as(compatGenerateRequest), request);
    }
    if ("messages" in body) {
      return await answerChat(context, await as(chatRequest), departureOf(request));
    }
    if (!("prompt" in body)) await as(compatGenerateRequest);
    return await answerCompletion(context, await as(completionRequest), departureOf(request));
  };
}
