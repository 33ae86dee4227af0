/** One chat: reads messages, streams answers, until the user leaves. */

import { getLogger } from "@logtape/logtape";
import type { JobParameters, TextEngine } from "../../ffi/types.ts";
import { type Answer, speedLine } from "../completion/answer.ts";
import { fromEngine } from "../completion/from_engine.ts";
import { StartError, TgiError, ValidationError } from "../errors.ts";
import { LOG_CATEGORY } from "../log.ts";
import type { LineInput } from "../terminal/line_input.ts";
import type { Style } from "../terminal/style.ts";
import type { TextOutput } from "../terminal/text_output.ts";
import { Conversation } from "./conversation.ts";
import { nextMessage } from "./message_input.ts";
import { answerText, questionOf } from "./prompt.ts";
import { readRequest, type Request, slashHelp } from "./slash_commands.ts";

const log = getLogger([LOG_CATEGORY]);

/** What a chat is made of. */
export interface ChatParts {
  readonly engine: TextEngine;
  /** Place of the adapter that answers; null is the model itself. */
  readonly adapter: number | null;
  readonly parameters: JobParameters;
  readonly system: string | null;
  readonly input: LineInput;
  readonly output: TextOutput;
  readonly style: Style;
  /** Whether notes (speed, hints) are written. */
  readonly notes: boolean;
  /** Calls `stop` at each interrupt until it is disposed of. */
  readonly onInterrupt: (stop: () => void) => Disposable;
  readonly writeFile: (path: string, text: string) => Promise<void>;
}

/** A running chat. */
export class ChatSession {
  readonly #parts: ChatParts;
  readonly #conversation: Conversation;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#conversation = new Conversation(parts.system);
  }

  /** Talks until the input ends, `/exit`, or Ctrl-C twice at the prompt. */
  async run(): Promise<void> {
    let interrupts = 0;
    for (;;) {
      const typed = await nextMessage(this.#parts.input);
      if (typed.kind === "end") return this.#leaveLine();
      if (typed.kind === "interrupt") {
        this.#leaveLine();
        interrupts += 1;
        if (interrupts === 2) return;
        this.#note("Ctrl-C again, Ctrl-D or /exit leaves.");
        continue;
      }
      interrupts = 0;
      if (typed.text.trim() === "") continue;
      if (await this.#handle(readRequest(typed.text)) === "exit") return;
    }
  }

  async #handle(request: Request): Promise<"exit" | void> {
    switch (request.kind) {
      case "say":
        this.#conversation.ask(request.text);
        return await this.#answer();
      case "help":
        return this.#say(slashHelp());
      case "clear":
        this.#conversation.clear();
        return this.#note("The conversation is forgotten.");
      case "system":
        this.#conversation.system = request.text === "" ? null : request.text;
        return this.#note(`The system message is ${request.text === "" ? "removed" : "set"}.`);
      case "regen":
        if (this.#conversation.reopen()) return await this.#answer();
        return this.#warn("There is no question to answer anew.");
      case "save":
        return await this.#save(request.text);
      case "exit":
        return "exit";
      case "unknown":
        return this.#warn(`${request.text} is no command; /help lists them.`);
    }
  }

  /** Streams the answer to the open question. One that fails is taken back with its question. */
  async #answer(): Promise<void> {
    const { engine, adapter, parameters, output, onInterrupt } = this.#parts;
    const stop = new AbortController();
    using _interrupt = onInterrupt(() => stop.abort());
    try {
      const { messages } = this.#conversation;
      const question = await questionOf(engine, messages, parameters, stop.signal);
      const write = (text: string) => output.write(text);
      const answer = await fromEngine(engine, adapter)(question, write, stop.signal);
      this.#conversation.answer(answerText(answer.text).trim());
      if (!answer.text.endsWith("\n")) output.write("\n");
      this.#tellSpeed(answer);
    } catch (error) {
      this.#conversation.unask();
      if (stop.signal.aborted) return this.#note("Stopped.");
      if (!(error instanceof TgiError) || error instanceof StartError) throw error;
      const advice = error instanceof ValidationError ? "; /clear makes room" : "";
      this.#warn(`${error.message}${advice}.`);
    }
  }

  #tellSpeed(answer: Answer): void {
    const used = (answer.promptTokens ?? 0) + answer.generatedTokens;
    const room = `${used} of ${this.#parts.engine.info.maxTotalTokens} tokens used`;
    const stopped = answer.finishReason === null ? "stopped; " : "";
    this.#note(`[${stopped}${speedLine(answer)}; ${room}]`);
  }

  async #save(path: string): Promise<void> {
    if (path === "") return this.#warn("/save needs the name of a file.");
    try {
      await this.#parts.writeFile(path, this.#conversation.toMarkdown());
      this.#note(`Saved to ${path}.`);
    } catch (error) {
      this.#warn(`Cannot save to ${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** The cursor stands behind a prompt. */
  #leaveLine(): void {
    if (this.#parts.input.isTerminal) this.#parts.output.write("\n");
  }

  #say(text: string): void {
    this.#parts.output.write(`${text}\n`);
  }

  /** What is not part of the conversation goes to standard error. */
  #note(text: string): void {
    if (this.#parts.notes) log.info`${this.#parts.style.dim(text)}`;
  }

  #warn(text: string): void {
    log.warn`${text}`;
  }
}
