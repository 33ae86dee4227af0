/**
 * Several generations that make one answer, whole or streamed. One reader turns the records of a
 * generation into pieces; both ways use it, so that a stream says what the whole answer says.
 */

import type { DoneRecord, GeneratedRecord, GenerateJob, TokenRecord } from "../../ffi/types.ts";
import type { OpenRequest } from "./open_request.ts";

/** Reads one generation. */
export interface PieceReader<Piece> {
  prefill(tokens: readonly TokenRecord[]): void;
  token(record: GeneratedRecord): readonly Piece[];
  /** The rest; the last piece says why the generation ended. */
  done(record: DoneRecord): readonly Piece[];
}

/** One generation of a request. */
export interface Member<Piece> {
  readonly open: OpenRequest;
  readonly job: GenerateJob;
  readonly reader: PieceReader<Piece>;
}
