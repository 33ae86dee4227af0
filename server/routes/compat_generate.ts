/**
 * `POST /`: what the hub's inference API answers, and what TGI's shipped clients call. The body
 * says whether it streams; a whole answer is a list of one.
 */

import type { Context } from "hono";
import type { AppContext } from "../context.ts";
import { departureOf } from "../departures.ts";
import { admit, type Admitted, answerStream, answerWhole, streamFailure } from "./answers.ts";
import { CompatGenerateRequest, compatGenerateRequest } from "../schemas/generate.ts";
import type { z } from "zod";

type CompatRequest = z.output<typeof compatGenerateRequest>;

/** The prompt comes back with the text unless the body says otherwise. */
const CHOICES = {
  returnFullText: true,
  prefillWithDetails: false,
  fields: CompatGenerateRequest.shape,
};

/** TGI's compatible route. */
export function compatGenerate(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    let admitted: Admitted<CompatRequest>;
    try {
      admitted = await admit(context, request, compatGenerateRequest);
    } catch (error) {
      // Nobody knows yet whether it streams: the status must tell.
      return streamFailure(error, request, false);
    }
    return await answerCompat(context, admitted, request);
  };
}

/** A list of one, or a stream, as the body says. */
export async function answerCompat(
  context: AppContext,
  admitted: Admitted<CompatRequest>,
  request: Request,
): Promise<Response> {
  if (admitted.body.stream !== true) {
    return await answerWhole(
      context,
      admitted,
      departureOf(request),
      CHOICES,
      (json) => `[${json}]`,
    );
  }
  try {
    return await answerStream(context, admitted, departureOf(request), CHOICES);
  } catch (error) {
    return streamFailure(error, request, context.options.streamErrorsAsEvents);
  }
}
