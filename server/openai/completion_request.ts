/** From the body of `/v1/completions` to jobs and what their choices show. */

import type { GenerateJob } from "../../ffi/types.ts";
import { adapterOf } from "../adapter_choice.ts";
import type { AppContext } from "../context.ts";
import { ValidationError } from "../errors.ts";
import { countCharacters } from "../generation/request.ts";
import { type CompletionRequest, type Prompt, promptsOf } from "../schemas/completion.ts";
import type { CompletionShape } from "./completion_reader.ts";
import { checkShared, sharedParameters } from "./parameters.ts";

/** OpenAI's default of `max_tokens`. */
const DEFAULT_MAX_TOKENS = 16;

/** OpenAI's most for `logprobs`. */
const MAX_LOGPROBS = 5;

/** One generation: its job and its choice. */
export interface CompletionJob {
  readonly job: GenerateJob;
  readonly shape: CompletionShape;
}

/** A checked body. */
export interface CompletionPlan {
  /** `generations` for each prompt, prompt by prompt. */
  readonly jobs: readonly CompletionJob[];
  /** Generations of each prompt: best_of, or n. */
  readonly generations: number;
  /** Choices of each prompt. */
  readonly choices: number;
  /** Null without logprobs. */
  readonly topCount: number | null;
  /** Unicode characters of all prompts. */
  readonly characters: number;
}

/** Checks a body and plans its generations. Throws a {@link ValidationError}. */
export function planCompletion(body: CompletionRequest, context: AppContext): CompletionPlan {
  const { maxStopSequences, maxClientBatchSize } = context.options;
  checkShared(body, { maxStopSequences, vocab: context.engine.info.vocab });
  checkCompletion(body);
  const prompts = promptsOf(body);
  if (prompts.length > maxClientBatchSize) {
    throw ValidationError.ofParam(
      "prompt",
      "Number of prompts exceeds the maximum allowed batch size of " + maxClientBatchSize,
    );
  }
  if (prompts.includes("")) throw ValidationError.ofParam("prompt", "`prompt` cannot be empty");
  const choices = body.n ?? 1;
  const generations = body.best_of ?? choices;
  checkCount(prompts.length * generations, context.permits.limit);
  const jobs = prompts.flatMap((prompt, place) =>
    Array.from({ length: generations }, (_, index) => ({
      job: {
        ...completionJob(body, prompt, place * generations + index),
        ...adapterOf(context.options, body.model),
      },
      shape: completionShape(body, prompt),
    }))
  );
  const texts = prompts.filter((prompt) => typeof prompt === "string");
  const characters = texts.reduce((sum, text) => sum + countCharacters(text), 0);
  return { jobs, generations, choices, topCount: body.logprobs ?? null, characters };
}

/** More generations than there are permits could never run. */
export function checkCount(generations: number, permits: number): void {
  if (generations <= permits) return;
  throw ValidationError.ofParam(
    "n",
    `One request may ask for ${permits} generations at most (--max-concurrent-requests). ` +
      `Given: ${generations}`,
  );
}

function checkCompletion(body: CompletionRequest): void {
  const refuse = (param: string, message: string) => {
    throw ValidationError.ofParam(param, message);
  };
  const { n, best_of: bestOf, logprobs } = body;
  if (body.suffix) {
    refuse("suffix", "Suffix is not supported and can be achieved by preprocessing the prompt.");
  }
  if (body.max_tokens === 0 && !isEchoed(body)) {
    refuse("max_tokens", "`max_tokens` must be > 0 unless `echo` is true. Given: 0");
  }
  if ((logprobs ?? 0) > MAX_LOGPROBS) {
    refuse("logprobs", `\`logprobs\` must be >= 0 and <= ${MAX_LOGPROBS}. Given: ${logprobs}`);
  }
  if (bestOf === null || bestOf === undefined) return;
  if (bestOf < (n ?? 1) || bestOf === 0) {
    refuse("best_of", `\`best_of\` must be >= \`n\` and > 0. Given: ${bestOf}`);
  }
  if (body.stream === true && bestOf > (n ?? 1)) {
    refuse("best_of", "`best_of` > `n` is not supported when streaming tokens");
  }
}

function isEchoed(body: CompletionRequest): boolean {
  return body.echo === true || body.return_full_text === true;
}

function completionJob(body: CompletionRequest, prompt: Prompt, index: number): GenerateJob {
  const isText = typeof prompt === "string";
  const isLogged = typeof body.logprobs === "number";
  const needsPrefill = isEchoed(body) && (isLogged || !isText);
  const isGreedy = body.do_sample === false && typeof body.temperature !== "number";
  return {
    ...(isText ? { inputs: prompt } : { inputs: "", input_ids: prompt }),
    parameters: {
      ...sharedParameters(isGreedy ? { ...body, temperature: 0 } : body, index),
      max_new_tokens: Math.max(body.max_tokens ?? DEFAULT_MAX_TOKENS, 1),
      truncate: body.truncate ?? null,
      top_n_tokens: body.logprobs ?? 0,
      ...(isLogged ? { raw_logprobs: true } : {}),
      decoder_input_details: needsPrefill,
    },
  };
}

function completionShape(body: CompletionRequest, prompt: Prompt): CompletionShape {
  const echoed = typeof prompt === "string" ? prompt : "tokens";
  return {
    logprobs: typeof body.logprobs === "number",
    echo: isEchoed(body) ? echoed : null,
    promptOnly: body.max_tokens === 0,
  };
}
