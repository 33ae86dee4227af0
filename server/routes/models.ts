/** `GET /v1/models` and `/v1/models/{id}`: the one model that is served. */

import type { Context } from "hono";
import type { z } from "zod";
import type { AppContext } from "../context.ts";
import { NotFoundError } from "../errors.ts";
import type { Model } from "../schemas/openai_responses.ts";

/** A list of one. */
export function models(context: AppContext) {
  return (): Response => Response.json({ object: "list", data: [describe(context)] });
}

/** Throws {@link NotFoundError} (404) for any other name. */
export function model(context: AppContext) {
  return (c: Context): Response => {
    const id = c.req.param("id");
    if (id === context.options.modelId) return Response.json(describe(context));
    throw new NotFoundError(
      `The model \`${id}\` is not served here: ask for \`${context.options.modelId}\``,
      "model_not_found",
    );
  };
}

/** TGI gives 0 for the time, and the model's own id for its owner. */
function describe({ options }: AppContext): z.output<typeof Model> {
  return { id: options.modelId, object: "model", created: 0, owned_by: options.modelId };
}
