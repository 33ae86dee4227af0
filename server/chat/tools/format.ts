/** Formats in which models call tools. */

import type { DeltaReader } from "../delta.ts";
import type { JsonObject } from "../messages.ts";

/** A tool that a client offers. */
export interface Tool {
  readonly name: string;
  /** JSON schema of the arguments. */
  readonly parameters: JsonObject;
  /** Whether calls must keep to the schema where calls are free. */
  readonly strict: boolean;
  /** As the client sent it, for the template. */
  readonly definition: JsonObject;
}

/** A turn that may have calls, as a grammar composed of marks and schemas. */
export interface TurnGrammar {
  /** Lark rules of which `turn` is the turn. */
  readonly lark: string;
  /** JSON schemas: `@schema0` and on. */
  readonly schemas: readonly JsonObject[];
  /** `mark0`, `until0` and on. */
  readonly marks: readonly string[];
}

/** How one family of models calls tools. */
export interface ToolFormat {
  readonly name: "hermes" | "llama3_json" | "pythonic" | "mistral" | "generic";
  /** Whether a template with this source teaches the format. */
  matches(template: string): boolean;
  /** Special tokens that are a part of the format; all others are left out of the text. */
  readonly markers: readonly string[];
  /** A reader of one turn; `tools` are the names that may be called. */
  reader(tools: ReadonlySet<string>): DeltaReader;
  /**
   * All turns that the model may write when its calls keep to the schemas of `tools`; with one call
   * at most unless `many`. Throws a `ValidationError` for a schema that the format cannot hold.
   */
  grammar(tools: readonly Tool[], many: boolean): TurnGrammar;
}
