/** The hub says no: what it means, in one sentence with what to do. */

import type { HubModel } from "./model_id.ts";
import { modelError } from "./model_error.ts";
import type { HubToken } from "./hub_token.ts";

/** An answer with a status of 400 to 499. */
export class HubRefusal extends Error {
  override readonly name = "HubRefusal";

  constructor(
    readonly status: number,
    /** `x-error-code`: `GatedRepo`, `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`. */
    readonly code: string | null,
    /** `x-error-message`. */
    readonly words: string | null,
  ) {
    super(`the hub answers ${status}${words === null ? "" : ` (${words.replace(/\.$/, "")})`}`);
  }
}

/** What a refusal means to the operator. */
export function refusalError(
  model: HubModel,
  refusal: HubRefusal,
  { token, endpoint }: { readonly token: HubToken | null; readonly endpoint: string },
): Error {
  const meaning = meaningOf(model, refusal, token, endpoint);
  return modelError(
    `Cannot fetch ${model.repository} at ${model.revision}: ${meaning}.`,
    refusal,
  );
}

function meaningOf(
  { repository, revision }: HubModel,
  { status, code, message }: HubRefusal,
  token: HubToken | null,
  endpoint: string,
): string {
  if (code === "GatedRepo") return gated(`${endpoint}/${repository}`, token);
  if (code === "RevisionNotFound") {
    return `it has no branch, tag or commit ${revision}; check --revision`;
  }
  if (code === "EntryNotFound") return "a file of it is gone; start again";
  if (status === 401 && token !== null && code === null) {
    return `the hub does not accept the token of ${token.source}; make another at ` +
      `${endpoint}/settings/tokens`;
  }
  if (status === 401 || status === 404) {
    return token === null
      ? "the hub has no such public repository; check --model-id, and set HF_TOKEN where it is " +
        "private"
      : "the hub has no such repository, or the token of " +
        `${token.source} may not read it; check --model-id and the token`;
  }
  return `${message}; check --model-id and HF_TOKEN`;
}

/** A gated repository is seen by all, and fetched by those who accepted its terms. */
function gated(address: string, token: HubToken | null): string {
  return token === null
    ? `it is gated; accept its terms at ${address} and set HF_TOKEN to a token of that account`
    : `it is gated, and the account of the token of ${token.source} has no access; accept its ` +
      `terms at ${address} with that account, or wait until it is granted`;
}
