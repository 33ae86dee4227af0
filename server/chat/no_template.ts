/** The renderer of a model that has no chat template. */

import { TemplateError } from "../errors.ts";
import type { ChatRenderer } from "./renderer.ts";

/** Refuses every conversation in TGI's words. */
export class NoTemplate implements ChatRenderer {
  readonly template = null;

  render(): Promise<string> {
    return Promise.reject(new TemplateError("template not found"));
  }
}
