/** Jobs of the core that answer with a text: a prompt of a conversation, the tokens of a text. */

import type { ChatRenderer, Conversation as Chat } from "../server/chat/renderer.ts";
import { errorOfFailure } from "../server/errors.ts";
import type { TextTokenizer, TokenSpan } from "../server/tokenizer.ts";
import type { Conversation, Job, TextEngine } from "./types.ts";

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
  return textOf(engine, { chat: conversation }, signal);
}

/** The model's chat template. */
export class CoreRenderer implements ChatRenderer {
  constructor(readonly engine: TextEngine) {}

  get template(): string | null {
    return this.engine.info.chatTemplateText;
  }

  render({ messages, tools, addGenerationPrompt, variables }: Chat): Promise<string> {
    return renderChat(this.engine, {
      messages,
      tools,
      add_generation_prompt: addGenerationPrompt,
      variables,
    });
  }
}

/** The model's tokenizer. */
export class CoreTokenizer implements TextTokenizer {
  constructor(readonly engine: TextEngine) {}

  async tokenize(text: string, addSpecialTokens: boolean): Promise<readonly TokenSpan[]> {
    const job = { tokenize: { text, add_special_tokens: addSpecialTokens } };
    return JSON.parse(await textOf(this.engine, job)) as TokenSpan[];
  }
}

function textOf(engine: TextEngine, job: Job, signal?: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const id = engine.submit(job, {
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
