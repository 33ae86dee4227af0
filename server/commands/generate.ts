/** `tgi generate`: one prompt in, its text out as it comes. */

import { getLogger } from "@logtape/logtape";
import { encodeExact } from "../../ffi/job.ts";
import { type Answer, type Answerer, speedLine } from "../completion/answer.ts";
import { fromEngine } from "../completion/from_engine.ts";
import { fromServer } from "../completion/from_server.ts";
import { LOG_CATEGORY } from "../log.ts";
import type { FlagValues, Settings } from "../options.ts";
import { usageError } from "../options/flag.ts";
import { awaitStop } from "../shutdown.ts";
import { styleOf } from "../terminal/style.ts";
import { TextOutput } from "../terminal/text_output.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { openForOne } from "./open_model.ts";
import { adapterPlace, samplingParameters } from "./sampling.ts";

const log = getLogger([LOG_CATEGORY]);

/**
 * Generates once. In a pipe exactly the text is written; a terminal gets a line break after it.
 *
 * @returns 0, or 130 when the user stopped it.
 */
export async function generate(settings: Settings, context: CommandContext): Promise<number> {
  const { values, operands, warnings } = settings;
  for (const warning of warnings) log.warn`${warning}`;
  using stop = awaitStop();
  const inputs = await promptOf(operands[0]);
  await using resources = new AsyncDisposableStack();
  const answerer = await answererFor(values, context, stop.signal, resources);
  if (answerer === null) return ExitCode.interrupted;
  const output = new TextOutput();
  const write = values.json ? () => {} : (text: string) => output.write(text);
  const question = { inputs, parameters: samplingParameters(values) };
  const answer = await answerer(question, write, stop.signal);
  if (values.json) output.write(`${jsonOf(answer)}\n`);
  else if (output.isTerminal && !answer.text.endsWith("\n")) output.write("\n");
  if (output.isTerminal && !values.json && !values.quiet) {
    log.info`${styleOf(Deno.stderr).dim(speedLine(answer))}`;
  }
  return stop.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** The operand, or standard input without its last line break. */
async function promptOf(operand: string | undefined): Promise<string> {
  if (operand !== undefined && operand !== "-") return operand;
  if (operand === undefined && Deno.stdin.isTerminal()) {
    throw usageError(
      "Cannot generate without a prompt: give it as an argument or on standard input. See --help.",
    );
  }
  return (await new Response(Deno.stdin.readable).text()).replace(/\r?\n$/, "");
}

/** A server, or the model opened here; null when the user stopped that. */
async function answererFor(
  values: FlagValues,
  context: CommandContext,
  signal: AbortSignal,
  resources: AsyncDisposableStack,
): Promise<Answerer | null> {
  if (values.url !== null) {
    return fromServer(values.url, values.apiKey[0] ?? null, values.adapterId);
  }
  const adapter = adapterPlace(values);
  const engine = await openForOne(values, context, signal);
  if (engine === null) return null;
  resources.defer(() => engine.close());
  return fromEngine(engine, adapter);
}

/** Keys in the words of TGI's API. */
function jsonOf(answer: Answer): string {
  return new TextDecoder().decode(encodeExact({
    generated_text: answer.text,
    finish_reason: answer.finishReason,
    prompt_tokens: answer.promptTokens,
    generated_tokens: answer.generatedTokens,
    seed: answer.seed,
    first_token_ms: answer.firstTokenMillis,
    decode_ms: answer.decodeMillis,
  }));
}
