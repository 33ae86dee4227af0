/** Answers `/v1/completions`: many generations under one request. */

import type { AppContext } from "../context.ts";
import type { Gathered } from "../generation/gather.ts";
import type { Admitted } from "../routes/answers.ts";
import { CompletionRequest } from "../schemas/completion.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { type CompletionPiece, CompletionReader } from "./completion_reader.ts";
import { type CompletionPlan, planCompletion } from "./completion_request.ts";
import { CompletionWriter } from "./completion_wire.ts";

/** Answers a body that holds its first permit. Throws a `TgiError` before a stream has begun. */
export async function answerCompletion(
  context: AppContext,
  admitted: Admitted<CompletionRequest>,
  signal: AbortSignal,
): Promise<Response> {
  return await answer(
    context,
    admitted,
    signal,
    CompletionRequest.shape,
    (body) => completionAnswer(planCompletion(body, context)),
  );
}

function completionAnswer(plan: CompletionPlan): AnswerPlan<CompletionPiece> {
  const writers = plan.jobs.map((_, index) => new CompletionWriter(index, plan.topCount));
  return {
    jobs: plan.jobs.map(({ job, shape }) => ({ job, reader: new CompletionReader(shape) })),
    generations: plan.generations,
    characters: plan.characters,
    wire: {
      id: "cmpl",
      whole: "text_completion",
      chunk: "text_completion",
      choices: (all) =>
        chosen(all, plan).map(({ pieces }, index) => writers[index]!.choice(pieces)),
      opening: () => [],
      chunks: (index, piece) => [writers[index]!.choice([piece])],
    },
  };
}

/** The choices of each prompt; where there are more generations, the likeliest by mean logprob. */
function chosen(
  all: readonly Gathered<CompletionPiece>[],
  { generations, choices }: CompletionPlan,
): readonly Gathered<CompletionPiece>[] {
  if (generations === choices) return all;
  return Array.from(
    { length: all.length / generations },
    (_, place) =>
      all.slice(place * generations, (place + 1) * generations)
        .toSorted((a, b) => b.meanLogprob - a.meanLogprob).slice(0, choices),
  ).flat();
}
