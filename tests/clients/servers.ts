/** The servers that clients talk to. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { type RunningServer, startScripted } from "../e2e/server.ts";

/** What the server of the model wants as its key. */
export const KEY = "sk-of-the-tests";

/** Both servers. */
export interface Servers extends AsyncDisposable {
  /** The default model, with a key. */
  readonly model: RunningServer;
  /** Invented text at 3 ms a step, faults on demand, four requests at a time, no key. */
  readonly scripted: RunningServer;
}

/** Starts both on free ports. */
export async function startServers(): Promise<Servers> {
  const stack = new AsyncDisposableStack();
  try {
    const model = stack.use(await startModel(["--api-key", KEY]));
    const pace = ["--scripted-step-micros", "3000", "--max-concurrent-requests", "4"];
    const scripted = stack.use(await startScripted([...pace, "--max-best-of", "3"]));
    const owned = stack.move();
    return { model, scripted, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  } finally {
    await stack.disposeAsync();
  }
}

/** A server over the default model. */
export function startModel(args: readonly string[]): Promise<RunningServer> {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  const model = ["--model-id", join(folder, "smollm2-135m-instruct-q4_1.gguf")];
  // The last --backend counts.
  return startScripted(["--backend", "cpu", ...model, "--max-total-tokens", "1024", ...args]);
}
