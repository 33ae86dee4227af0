/** Which of the loaded adapters a request names. */

import type { AppContext } from "./context.ts";
import type { ServerOptions } from "./server_options.ts";

/** The part of a job that says which adapter answers; nothing for the model itself. */
export function adapterOf(
  { adapters }: Pick<ServerOptions, "adapters">,
  id: string | null | undefined,
): { readonly adapter?: number } {
  const adapter = adapters.findIndex((known) => known === id);
  return adapter < 0 ? {} : { adapter };
}

/** The context as an answer of `/v1` shows it: under the name of the adapter that answers. */
export function servedAs(context: AppContext, model: string | null | undefined): AppContext {
  const { options } = context;
  if (typeof model !== "string" || !options.adapters.includes(model)) return context;
  return { ...context, options: { ...options, modelId: model } };
}
