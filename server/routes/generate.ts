/** `POST /generate`: a whole generation, one JSON object. */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { GenerateRequest, generateRequest } from "../schemas/generate.ts";
import { admit, answerWhole } from "./answers.ts";

/** 0.3.1's route: asking for details brings the prefill, too. */
export function generate(context: AppContext) {
  const choices = {
    returnFullText: false,
    prefillWithDetails: true,
    fields: GenerateRequest.shape,
  };
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    const admitted = await admit(context, request, generateRequest);
    return await answerWhole(context, admitted, departureOf(request), choices);
  };
}
