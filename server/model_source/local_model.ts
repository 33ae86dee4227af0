/** A model that lies on this disk under a name of the operator's: a file, or a folder. */

import { basename, dirname, join, relative, resolve } from "node:path";
import { filesBelow } from "./files_below.ts";
import { chooseGguf, piecesOf } from "./gguf_choice.ts";
import { chooseModel } from "./model_choice.ts";
import { modelError, reasonOf } from "./model_error.ts";
import type { Wanted } from "./model_id.ts";
import { missingOf } from "./safetensors_choice.ts";

/** A model's place, and why it was taken. */
export interface LocalModel {
  /** The `.gguf` file, or the folder of a safetensors model. */
  readonly path: string;
  readonly reason: string;
}

/** Folders of quantizations lie right below; a folder that is no model may be a whole disk. */
const DEPTH = 1;

/**
 * The model at `name`: a `.gguf` file, or what {@link chooseModel} takes of a folder.
 *
 * @param flag that named it, for messages.
 * @throws StartError with exit code 3 when there is none.
 */
export async function localModel(
  name: string,
  wanted: Wanted,
  flag = "--model-id",
): Promise<LocalModel> {
  const path = resolve(name);
  const info = await Deno.stat(path).catch((error) => {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file or folder"
      : reasonOf(error);
    throw modelError(`Cannot open the model ${name}: ${reason}; check ${flag}.`, error);
  });
  if (info.isDirectory) return await folderModel(name, path, wanted, flag);
  return { path: await wholeFile(path), reason: `named by ${flag}` };
}

/** The file, or the first of its pieces; they lie beside it. */
async function wholeFile(path: string): Promise<string> {
  if (piecesOf(path).length === 1) return path;
  const [folder, file] = [dirname(path), basename(path)];
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return join(folder, chooseGguf(folder, names, { file, quantization: null }).file);
}

async function folderModel(
  name: string,
  folder: string,
  wanted: Wanted,
  flag: string,
): Promise<LocalModel> {
  const files = await filesBelow(folder, DEPTH).catch((error) => {
    throw modelError(`Cannot open the model ${name}: ${reasonOf(error)}; check ${flag}.`, error);
  });
  const names = files.map(({ path }) => relative(folder, path));
  const choice = chooseModel(name, names, wanted);
  const reason = `named by ${flag}, ${choice.reason}`;
  if (choice.kind === "gguf") return { path: join(folder, choice.file), reason };
  const read = (file: string) => Deno.readTextFile(join(folder, file));
  const missing = await missingOf(name, choice, names, read);
  if (missing.length === 0) return { path: folder, reason };
  throw modelError(`Cannot open the model ${name}: it lacks ${missing.join(" and ")}.`);
}
