import type { ModelRequest, ModelTools } from "../../server/model_source/resolve.ts";

/** Nothing listens there. */
export const NO_HUB = "http://127.0.0.1:1";

/** A request for the model of the fake hub. */
export function modelRequest(changes: Partial<ModelRequest> = {}): ModelRequest {
  return {
    modelId: "fake/model",
    revision: null,
    ggufFile: null,
    weightsCacheOverride: null,
    huggingfaceHubCache: null,
    hfToken: null,
    hfHubOffline: false,
    ...changes,
  };
}

/** Tools with their cache in `folder` and their hub at `endpoint`, which print nothing. */
export function modelTools(folder: string, endpoint: string): ModelTools {
  const variables: Record<string, string> = { XDG_CACHE_HOME: folder, HF_ENDPOINT: endpoint };
  return {
    variables: (name) => variables[name],
    signal: new AbortController().signal,
    output: { terminal: false, write: () => {}, now: () => 0 },
  };
}
