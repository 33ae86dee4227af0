/** `tgi chat`: a conversation in the terminal, with the model in this process. */

import { getLogger } from "@logtape/logtape";
import type { Engine } from "../../ffi/engine.ts";
import { LOG_CATEGORY } from "../log.ts";
import type { FlagValues, Settings } from "../options.ts";
import { awaitStop } from "../shutdown.ts";
import { ChatSession } from "../terminal_chat/chat_session.ts";
import { NO_TEMPLATE_NOTE } from "../terminal_chat/prompt.ts";
import { lineInput } from "../terminal/line_input.ts";
import { styleOf } from "../terminal/style.ts";
import { TextOutput } from "../terminal/text_output.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode } from "./exit_code.ts";
import { openForOne } from "./open_model.ts";
import { adapterPlace, samplingParameters } from "./sampling.ts";

const log = getLogger([LOG_CATEGORY]);

/**
 * Chats until the user leaves. Through a pipe each line is a message, and answers alone are
 * written.
 *
 * @returns 0, or 130 when the user stopped it before it began.
 */
export async function chat(settings: Settings, context: CommandContext): Promise<number> {
  const { values, warnings } = settings;
  for (const warning of warnings) log.warn`${warning}`;
  const adapter = adapterPlace(values);
  const engine = await openInterruptibly(values, context);
  if (engine === null) return ExitCode.interrupted;
  await using _engine = { [Symbol.asyncDispose]: () => engine.close() };
  await using input = lineInput();
  const notes = input.isTerminal && !values.quiet;
  if (notes) greet(engine, values);
  if (engine.info.chatTemplateText === null) log.info`${NO_TEMPLATE_NOTE}`;
  const session = new ChatSession({
    engine,
    adapter,
    parameters: samplingParameters(values),
    system: values.system,
    input,
    output: new TextOutput(),
    style: styleOf(Deno.stderr),
    notes,
    onInterrupt,
    writeFile: (path, text) => Deno.writeTextFile(path, text),
  });
  await session.run();
  return ExitCode.ok;
}

async function openInterruptibly(
  values: FlagValues,
  context: CommandContext,
): Promise<Engine | null> {
  using stop = awaitStop();
  return await openForOne(values, context, stop.signal);
}

function greet({ info }: Engine, { backend, modelId }: FlagValues): void {
  const name = backend === "scripted" ? "the scripted backend" : modelId;
  log.info`Chatting with ${name}, up to ${info.maxTotalTokens} tokens; /help lists the commands.`;
}

function onInterrupt(stop: () => void): Disposable {
  Deno.addSignalListener("SIGINT", stop);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", stop) };
}
