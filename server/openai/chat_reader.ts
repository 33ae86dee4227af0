/** One generation as a choice of a chat: content, reasoning and calls out of its text. */

import type { DoneRecord, GeneratedRecord } from "../../ffi/types.ts";
import type { ChatDelta, DeltaReader } from "../chat/delta.ts";
import { ReasoningReader } from "../chat/reasoning.ts";
import { ForcedReader } from "../chat/tools/forced.ts";
import type { PieceReader } from "../generation/pieces.ts";
import type { TurnShape } from "./chat_request.ts";
import type { LoggedToken } from "./completion_reader.ts";
import { openAiFinish } from "./reply.ts";

/** A part of a choice. */
export interface ChatPiece {
  readonly deltas: readonly ChatDelta[];
  /** Empty unless logprobs were asked for. */
  readonly tokens: readonly LoggedToken[];
  /** In the last piece. */
  readonly finishReason: "stop" | "length" | "tool_calls" | null;
}

/** Text that is content whatever it says. */
class PlainReader implements DeltaReader {
  push(text: string): readonly ChatDelta[] {
    return text === "" ? [] : [{ kind: "content", text }];
  }

  end(): readonly ChatDelta[] {
    return [];
  }
}

/** Reads records into pieces. */
export class ChatReader implements PieceReader<ChatPiece> {
  readonly #reasoning: DeltaReader;
  readonly #answer: DeltaReader;
  readonly #markers: ReadonlySet<string>;
  /** Text of all tokens that are not special. */
  #text = "";
  #hasMarkers = false;
  #calls = 0;
  #isAllowed = true;

  constructor(readonly shape: TurnShape) {
    const { reasoning, tools } = shape;
    this.#reasoning = reasoning
      ? new ReasoningReader(reasoning.tags, reasoning.inside)
      : new PlainReader();
    this.#answer = tools ? answerReader(tools) : new PlainReader();
    const tags = reasoning ? [reasoning.tags.open, reasoning.tags.close] : [];
    this.#markers = new Set([...tags, ...tools?.format.markers ?? []]);
  }

  prefill(): void {}

  token({ token, top }: GeneratedRecord): readonly ChatPiece[] {
    const isMarker = token.special && this.#markers.has(token.text.trim());
    const shown = token.special && !isMarker ? "" : token.text;
    this.#hasMarkers ||= isMarker;
    if (!isMarker) this.#text += shown;
    const tokens = this.shape.logprobs ? [{ token, top }] : [];
    const deltas = this.#read(shown);
    return deltas.length === 0 && tokens.length === 0
      ? []
      : [{ deltas, tokens, finishReason: null }];
  }

  done(record: DoneRecord): readonly ChatPiece[] {
    const deltas = [...this.#read(this.#unseen(record)), ...this.#flush()];
    const reason = openAiFinish(record.finishReason);
    const finishReason = this.#calls > 0 && reason === "stop" ? "tool_calls" : reason;
    return [{ deltas, tokens: [], finishReason }];
  }

  /** What the tokens did not show: a character that never became whole. */
  #unseen({ generatedText }: DoneRecord): string {
    const isPlain = !this.#hasMarkers && generatedText.startsWith(this.#text);
    return isPlain ? generatedText.slice(this.#text.length) : "";
  }

  /** Content of the reasoning's reader is what the answer's reader reads. */
  #read(text: string): readonly ChatDelta[] {
    return text === "" ? [] : this.#pass(this.#reasoning.push(text));
  }

  #flush(): readonly ChatDelta[] {
    return [...this.#pass(this.#reasoning.end()), ...this.#allowed(this.#answer.end())];
  }

  #pass(deltas: readonly ChatDelta[]): readonly ChatDelta[] {
    return this.#allowed(
      deltas.flatMap((delta) =>
        delta.kind === "content" ? [...this.#answer.push(delta.text)] : [delta]
      ),
    );
  }

  /** Without parallel calls only the first counts. */
  #allowed(deltas: readonly ChatDelta[]): readonly ChatDelta[] {
    return deltas.filter(({ kind }) => {
      if (kind === "call") {
        this.#isAllowed = this.#calls === 0 || this.shape.tools?.many === true;
        this.#calls += 1;
      }
      return this.#isAllowed || (kind !== "call" && kind !== "arguments");
    });
  }
}

function answerReader({ format, names, forced }: NonNullable<TurnShape["tools"]>): DeltaReader {
  return forced ? new ForcedReader(names) : format.reader(names);
}
