/**
 * `POST /`: what the hub's inference API answers, and what TGI's shipped clients call. The body
 * says whether it streams; a whole answer is a list of one.
 */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { admit, type Admitted, answerStream, answerWhole, streamFailure } from "./answers.ts";
import { compatGenerateRequest } from "../schemas/generate.ts";
import type { z } from "zod";

type CompatRequest = z.output<typeof compatGenerateRequest>;

/** TGI's compatible route; the prompt comes back with the text unless the body says otherwise. */
export function compatGenerate(context: AppContext) {
  const choices = { returnFullText: true, prefillWithDetails: false };
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    let admitted: Admitted<CompatRequest>;
    try {
      admitted = await admit(context, request, compatGenerateRequest);
    } catch (error) {
      // Nobody knows yet whether it streams: the status must tell.
      return streamFailure(error, request, false);
    }
    if (admitted.body.stream !== true) {
      return await answerWhole(context, admitted, request.signal, choices, (json) => `[${json}]`);
    }
    try {
      return await answerStream(context, admitted, request.signal, choices);
    } catch (error) {
      return streamFailure(error, request, context.options.streamErrorsAsEvents);
    }
  };
}
