/** Prompts: random words, or the lines of a file. */

import { z } from "zod";
import { usageError } from "../options/flag.ts";

/** What one request sends. */
export interface Prompt {
  readonly text: string;
  /** Null takes the run's own limit. */
  readonly maxNewTokens: number | null;
}

/** Gives a prompt for every request. */
export type Prompts = () => Prompt;

const VOCABULARY =
  "the time of all people is with this good work and many other things that we know"
    .split(" ");

/**
 * Random words, so that no prompt begins like another and no run like the one before: a server's
 * prefix cache finds nothing but the shared prefix.
 *
 * @param words of each prompt: about as many tokens.
 * @param sharedPrefix words that stand before those of every prompt.
 */
export function randomPrompts(words: number, sharedPrefix: number): Prompts {
  const prefix = randomWords(sharedPrefix);
  return () => ({ text: [...prefix, ...randomWords(words)].join(" "), maxNewTokens: null });
}

function randomWords(count: number): string[] {
  const pick = () => VOCABULARY[Math.floor(Math.random() * VOCABULARY.length)] ?? "";
  return Array.from({ length: count }, pick);
}

/** The prompts in their order, again from the start after the last. */
export function listedPrompts(prompts: readonly Prompt[], sharedPrefix: number): Prompts {
  const prefix = sharedPrefix === 0 ? "" : `${randomWords(sharedPrefix).join(" ")} `;
  let next = 0;
  return () => {
    const { text, maxNewTokens } = prompts[next++ % prompts.length] ??
      { text: "", maxNewTokens: null };
    return { text: prefix + text, maxNewTokens };
  };
}

const Limit = z.int().positive().nullish();
const Line = z.union([
  z.string().min(1).transform((text) => ({ text, limit: null })),
  z.object({ prompt: z.string().min(1), max_new_tokens: Limit })
    .transform(({ prompt, max_new_tokens }) => ({ text: prompt, limit: max_new_tokens })),
  z.object({ inputs: z.string().min(1), max_new_tokens: Limit })
    .transform(({ inputs, max_new_tokens }) => ({ text: inputs, limit: max_new_tokens })),
]);

/**
 * Reads JSON lines: each a string, or an object with `prompt` or `inputs` and, if wanted,
 * `max_new_tokens`.
 *
 * @param name of the file, for errors.
 * @throws StartError that names the first line that is none of these.
 */
export function parsePromptLines(content: string, name: string): Prompt[] {
  const prompts = content.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const { data } = Line.safeParse(parseJson(line));
    if (data === undefined) {
      throw usageError(
        `Cannot read line ${index + 1} of ${name}: it must be a JSON string, or an object with ` +
          `"prompt" and, if wanted, "max_new_tokens".`,
      );
    }
    return [{ text: data.text, maxNewTokens: data.limit ?? null }];
  });
  if (prompts.length === 0) {
    throw usageError(`Cannot take prompts from ${name}: it holds none; write one JSON a line.`);
  }
  return prompts;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
