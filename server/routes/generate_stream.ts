/** `POST /generate_stream`: one server-sent event a token. */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { GenerateRequest, generateRequest } from "../schemas/generate.ts";
import { admit, answerStream, streamFailure } from "./answers.ts";

/** TGI's streaming route. */
export function generateStream(context: AppContext) {
  const choices = {
    returnFullText: false,
    prefillWithDetails: false,
    fields: GenerateRequest.shape,
  };
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    try {
      const admitted = await admit(context, request, generateRequest);
      return await answerStream(context, admitted, departureOf(request), choices);
    } catch (error) {
      return streamFailure(error, request, context.options.streamErrorsAsEvents);
    }
  };
}
