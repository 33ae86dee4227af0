/**
 * The model that an executable carries.
 *
 * The layout of such an executable, as `scripts/compile.ts` makes it:
 *
 * ```
 * base binary of `deno compile` | zeros to a multiple of 4,096 | the model's file | Deno's payload
 * ```
 *
 * Base, zeros and model together are what `deno compile` takes for its base binary; it keeps these
 * bytes where they are and only appends. So the place is known before the program is compiled, and
 * is compiled in as a file among the embedded ones. Nothing is searched for at run time: no footer
 * that a later append could hide. The core maps the range and checks it as it checks any file, so an
 * executable that was cut or rewritten is refused in one sentence.
 *
 * This file lies one folder below the root, as the bundle does: relative paths are the same in both.
 */

import * as z from "zod";

const MANIFEST = new URL("../dist/carried_model.json", import.meta.url);

const Shape = z.object({
  /** Id of the repository that the file comes from; asked for by this name. */
  repository: z.string(),
  /** Name of the file there. */
  file: z.string(),
  /** SHA-256 of the file, hexadecimal. */
  sha256: z.string(),
  /** First byte in the executable, a multiple of 4,096. */
  offset: z.int().nonnegative(),
  /** Bytes. */
  length: z.int().positive(),
});

/** Where the model lies, and which it is. */
export type CarriedModel = Readonly<z.infer<typeof Shape>>;

/** What this executable carries; null when it carries nothing or is run by `deno run`. */
export function carriedModel(): CarriedModel | null {
  if (!Deno.build.standalone) return null;
  try {
    return Shape.parse(JSON.parse(Deno.readTextFileSync(MANIFEST)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
