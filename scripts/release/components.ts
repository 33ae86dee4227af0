/** What an executable is made of besides our own code: crates, npm packages, Deno, a model. */

import { join } from "node:path";
import { runQuietly } from "../packaging/quiet.ts";
import { cargo, type CommandLine, deno } from "../steps.ts";

/** A part with its licence. */
export interface Part {
  readonly kind: "cargo" | "npm" | "runtime" | "model";
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
}

/** What is read of `cargo metadata`. */
interface CargoMetadata {
  readonly packages: readonly {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly license: string | null;
    readonly source: string | null;
    readonly targets: readonly { readonly kind: readonly string[] }[];
  }[];
  readonly resolve: {
    readonly nodes: readonly {
      readonly id: string;
      readonly deps: readonly {
        readonly pkg: string;
        readonly dep_kinds: readonly { readonly kind: string | null }[];
      }[];
    }[];
  };
}

/** What is read of `deno info`. */
interface DenoInfo {
  readonly modules: readonly { readonly npmPackage?: string }[];
  /** Every package of the lock file, by its id. */
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Ids. */
  readonly dependencies: readonly string[];
  readonly localPath: string;
}

/** Our own crate that becomes libtgi_core. */
const ROOT_CRATE = "tgi-core";

/**
 * Crates of other people that are linked into libtgi_core: what it depends on at run time. Build
 * scripts, procedural macros and what tests need are not in it.
 *
 * @throws Error when one has no licence.
 */
export async function linkedCrates(): Promise<Part[]> {
  const metadata = await json<CargoMetadata>(
    cargo(
      ...["metadata", "--format-version", "1", "--locked"],
      ...["--filter-platform", "x86_64-unknown-linux-gnu"],
    ),
  );
  const packages = new Map(metadata.packages.map((one) => [one.id, one]));
  const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
  const root = metadata.packages.find(({ name }) => name === ROOT_CRATE);
  if (root === undefined) throw new Error(`Cannot find the crate ${ROOT_CRATE}`);
  const reached = new Set([root.id]);
  for (const id of reached) {
    for (const { pkg, dep_kinds } of nodes.get(id)?.deps ?? []) {
      const isMacro = packages.get(pkg)?.targets.some(({ kind }) => kind.includes("proc-macro"));
      if (!isMacro && dep_kinds.some(({ kind }) => kind === null)) reached.add(pkg);
    }
  }
  return sorted(
    [...reached].flatMap((id) => {
      const found = packages.get(id);
      if (found === undefined || found.source === null) return [];
      return [part("cargo", found.name, found.version, found.license)];
    }),
  );
}

/**
 * npm packages that the program's modules import, with what those depend on.
 *
 * @throws Error when one has no licence.
 */
export async function bundledPackages(): Promise<Part[]> {
  const { modules, npmPackages } = await json<DenoInfo>(deno("info", "--json", "main.ts"));
  const reached = new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []));
  for (const id of reached) {
    for (const dependency of npmPackages[id]?.dependencies ?? []) reached.add(dependency);
  }
  return sorted(
    await Promise.all([...reached].map((id) => {
      const found = npmPackages[id];
      if (found === undefined) throw new Error(`Cannot find the npm package ${id}`);
      return npmPart(found);
    })),
  );
}

async function npmPart({ name, version, localPath }: NpmPackage): Promise<Part> {
  const text = await Deno.readTextFile(join(localPath, "package.json"));
  return part("npm", name, version, (JSON.parse(text) as { license?: unknown }).license);
}

/** An old way to write "or" is made SPDX's. */
function part(kind: Part["kind"], name: string, version: string, license: unknown): Part {
  if (typeof license !== "string" || license.trim() === "") {
    throw new Error(`Cannot release with ${kind} ${name} ${version}: it names no licence`);
  }
  return { kind, name, version, license: license.replaceAll(/\s*\/\s*/g, " OR ") };
}

function sorted(parts: Part[]): Part[] {
  const key = ({ name, version }: Part) => `${name} ${version}`;
  return parts.sort((a, b) => key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
}

async function json<T>(command: CommandLine): Promise<T> {
  const { success, stdout, lastWords } = await runQuietly(command);
  if (!success) throw new Error(`${command.program} ${command.args[0]} failed: ${lastWords}`);
  return JSON.parse(stdout) as T;
}
