/** `GET /v1/models` and `/v1/models/{id}`: the model that is served, and its adapters. */

import type { Context } from "hono";
import type { z } from "zod";
import type { AppContext } from "../context.ts";
import { NotFoundError } from "../errors.ts";
import type { Model } from "../schemas/openai_responses.ts";

/** The model, then its adapters. */
export function models(context: AppContext) {
  return (): Response =>
    Response.json({ object: "list", data: names(context).map((id) => describe(id, context)) });
}

/** Throws {@link NotFoundError} (404) for any other name. */
export function model(context: AppContext) {
  return (c: Context): Response => {
    const id = c.req.param("id") ?? "";
    const known = names(context);
    if (known.includes(id)) return Response.json(describe(id, context));
    throw new NotFoundError(
      `The model \`${id}\` is not served here: ask for ${
        known.map((name) => `\`${name}\``).join(" or ")
      }`,
      "model_not_found",
    );
  };
}

function names({ options }: AppContext): readonly string[] {
  return [options.modelId, ...options.adapters];
}

/** TGI gives 0 for the time, and the model's own id for its owner. */
function describe(id: string, { options }: AppContext): z.output<typeof Model> {
  return { id, object: "model", created: 0, owned_by: options.modelId };
}
