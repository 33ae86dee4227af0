/** Formats in which models call tools. */

import type { DeltaReader } from "../delta.ts";
import type { JsonObject } from "../messages.ts";

/** A tool that a client offers. */
export interface Tool {
  readonly name: string;
  /** JSON schema of the arguments. */
  readonly parameters: JsonObject;
  /** As the client sent it, for the template. */
  readonly definition: JsonObject;
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
}
