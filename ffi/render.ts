/** From a conversation to a prompt, by the model's chat template. */

import { errorOfFailure } from "../server/errors.ts";
import type { Conversation, TextEngine } from "./types.ts";

/**
 * Renders `conversation`. The core bounds the template's steps and output.
 *
 * @throws TgiError with `template_error` when the model has no template, or the template refuses
 * the messages; the signal's reason when it aborts.
 */
export function renderChat(
  engine: TextEngine,
  conversation: Conversation,
  signal?: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const id = engine.submit({ chat: conversation }, {
    accepted() {},
    prefill() {},
    token() {},
    done() {},
    rendered: resolve,
    failed: (record) => reject(errorOfFailure(record)),
    flush() {},
  });
  const abort = () => {
    engine.cancel(id);
    reject(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  return promise.finally(() => signal?.removeEventListener("abort", abort));
}
