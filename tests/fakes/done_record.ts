import type { DoneRecord } from "../../ffi/types.ts";

/** The end of a generation of one token: nothing cached, nothing drafted, in no time. */
export function doneRecord(changes: Partial<DoneRecord> = {}): DoneRecord {
  return {
    finishReason: "length",
    generatedText: "",
    seed: null,
    promptTokens: 1,
    cachedTokens: 0,
    generatedTokens: 1,
    draftedTokens: 0,
    acceptedTokens: 0,
    queueMicros: 0,
    prefillMicros: 0,
    decodeMicros: 0,
    ...changes,
  };
}
