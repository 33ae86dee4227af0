/** What `--model-id` may say beside a path: a repository, and a quantization in it. */

import { modelError } from "./model_error.ts";

/** A model on the hub. */
export interface HubModel {
  /** `org/name`. */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** Which file of several is meant; null where that is left open. */
export interface Wanted {
  /** Path of a `.gguf` file in the repository or folder (`--gguf-file`). */
  readonly file: string | null;
  /** Quantization by name (`owner/name:Q8_0`). */
  readonly quantization: string | null;
}

/** A repository and what is wanted of it. */
export interface HubReference {
  readonly model: HubModel;
  readonly wanted: Wanted;
}

const REPOSITORY = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

const REVISION = /^\w([\w./-]*\w)?$/;

/** Segments begin with a letter or digit, so that none of them leaves its folder. */
const FILE = /^\w[\w.+-]*(\/\w[\w.+-]*)*$/;

/** Whether a name from outside may become a path inside a folder. */
export function isSafePath(name: string): boolean {
  return FILE.test(name);
}

/** A path has a beginning or an end that no repository has. */
export function isPath(modelId: string): boolean {
  return /^[./~]|^[A-Za-z]:|\\|\.gguf$/.test(modelId);
}

/**
 * Reads `owner/name` or `owner/name:QUANT`.
 *
 * @throws StartError when the id, the revision or the file cannot be one, or the quantization is
 * said twice.
 */
export function readHubReference(
  modelId: string,
  revision: string | null,
  ggufFile: string | null,
): HubReference {
  const [repository = "", quantization = null, ...rest] = modelId.split(":");
  const isQuantization = quantization === null || /^\w[\w.-]*$/.test(quantization);
  if (!REPOSITORY.test(repository) || !isQuantization || rest.length > 0) {
    throw modelError(
      `Cannot find the model ${modelId}: it is neither a .gguf file, a folder, nor the id of a ` +
        "repository (owner/name, owner/name:QUANT); check --model-id.",
    );
  }
  if (revision !== null && (!REVISION.test(revision) || revision.includes(".."))) {
    throw modelError(`Cannot find the revision ${revision}: it is no branch, tag or commit.`);
  }
  return {
    model: { repository, revision: revision ?? "main" },
    wanted: readWanted(ggufFile, quantization),
  };
}

/** @throws StartError when both say something, or the file's name leaves its folder. */
export function readWanted(file: string | null, quantization: string | null): Wanted {
  if (file !== null && quantization !== null) {
    throw modelError(
      `Cannot choose a file: --gguf-file ${file} and the quantization ${quantization} of ` +
        "--model-id are both given; leave one out.",
    );
  }
  if (file !== null && !(isSafePath(file) && file.endsWith(".gguf"))) {
    throw modelError(
      `Cannot use --gguf-file ${file}: it is no path of a .gguf file inside the repository.`,
    );
  }
  return { file, quantization };
}
