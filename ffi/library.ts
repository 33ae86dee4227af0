/** Which libtgi_core is loaded, from where, and why. The only place with `Deno.dlopen`. */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { StartError } from "../server/errors.ts";
import { ABI_VERSION, type CoreSymbols, SYMBOLS } from "./symbols.ts";

const FILE_NAME = "libtgi_core.so";
/** Names the library to load, before all other places. */
const VARIABLE = "TGI_CORE_LIB";
/** Where cargo builds it; in an executable of `deno compile` the file embedded under this path. */
const BUILT = new URL(`../core-rs/target/release/${FILE_NAME}`, import.meta.url);

/** A library file, and why it was picked. */
export interface LibraryChoice {
  readonly path: string;
  /** For the start-up log. */
  readonly reason: string;
}

/** What the choice depends on. */
export interface Surroundings {
  readonly variable: string | undefined;
  /** Whether this is an executable made by `deno compile`. */
  readonly standalone: boolean;
  readonly executable: string;
  readonly exists: (path: string) => boolean;
}

/** A loaded library. */
export interface CoreLibrary extends LibraryChoice {
  readonly symbols: CoreSymbols;
  /** Unloads it. No call may be under way. */
  close(): void;
}

/**
 * The library named by `TGI_CORE_LIB`; else, in a compiled executable, the one beside it or the one
 * embedded in it; else the one that cargo built.
 */
export function chooseLibrary(
  { variable, standalone, executable, exists }: Surroundings,
): LibraryChoice {
  if (variable) return { path: variable, reason: `named by ${VARIABLE}` };
  const built = fileURLToPath(BUILT);
  if (!standalone) return { path: built, reason: "built by cargo" };
  const beside = join(dirname(executable), FILE_NAME);
  if (exists(beside)) return { path: beside, reason: "beside the executable" };
  return { path: built, reason: "embedded in the executable" };
}

/**
 * Loads libtgi_core.
 *
 * @throws StartError when it cannot be loaded or speaks another version of the ABI.
 */
export function openLibrary(choice: LibraryChoice = chooseLibrary(surroundings())): CoreLibrary {
  const { path, reason } = choice;
  const library = load(choice);
  const version = library.symbols.tgi_abi_version();
  if (version !== ABI_VERSION) {
    library.close();
    throw new StartError(
      `Cannot use ${path} (${reason}): it speaks ABI version ${version}, this server ${ABI_VERSION}; ` +
        "build both from the same source.",
    );
  }
  return { path, reason, symbols: library.symbols, close: () => library.close() };
}

function load({ path, reason }: LibraryChoice): Deno.DynamicLibrary<typeof SYMBOLS> {
  try {
    return Deno.dlopen(path, SYMBOLS);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(
      `Cannot load ${path} (${reason}): ${why}; build it with \`deno task build\`, or name another by ${VARIABLE}.`,
      1,
      { cause },
    );
  }
}

function surroundings(): Surroundings {
  return {
    variable: Deno.env.get(VARIABLE),
    standalone: Deno.build.standalone,
    executable: Deno.execPath(),
    exists,
  };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
