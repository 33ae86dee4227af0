/** A base binary that carries a model; `server/carried_model.ts` tells the layout. */

import { createHash } from "node:crypto";
import type { CarriedModel } from "../../server/carried_model.ts";
import type { PinnedModel } from "../../server/model_source/pinned_model.ts";

/** Where a model may start: whole pages of memory. */
const ALIGNMENT = 4096;

/**
 * Writes base binary, zeros and model to `path`, and tells where the model lies.
 *
 * @throws Error when the model's file has not the pinned bytes.
 */
export async function writeCarrier(
  path: string,
  denort: string,
  modelFile: string,
  pinned: PinnedModel,
): Promise<CarriedModel> {
  await Deno.copyFile(denort, path);
  await Deno.chmod(path, 0o755);
  using output = await Deno.open(path, { write: true });
  const { size } = await output.stat();
  const offset = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  await output.truncate(offset);
  await output.seek(offset, Deno.SeekMode.Start);
  const hash = createHash("sha256");
  let length = 0;
  using input = await Deno.open(modelFile);
  for await (const chunk of input.readable) {
    for (let at = 0; at < chunk.length;) at += await output.write(chunk.subarray(at));
    hash.update(chunk);
    length += chunk.length;
  }
  const sha256 = hash.digest("hex");
  if (sha256 !== pinned.sha256) {
    throw new Error(`Cannot carry ${modelFile}: its SHA-256 is ${sha256}, not ${pinned.sha256}`);
  }
  return {
    repository: pinned.repository ?? pinned.file,
    file: pinned.file,
    sha256,
    offset,
    length,
  };
}
