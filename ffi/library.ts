/** Which libtgi_core is loaded, from where, and why. The only place with `Deno.dlopen`. */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { StartError } from "../server/errors.ts";
import { loadFailureText } from "./load_failure.ts";
import { ABI_VERSION, type CoreSymbols, SYMBOLS } from "./symbols.ts";

/** The library of every backend; an executable carries it. */
const CORE = "libtgi_core.so";
/** candle on CUDA, with the same ABI: linked to CUDA's own libraries, so never embedded. */
export const CANDLE_CUDA = "libtgi_core_candle_cuda.so";
/** Names the library to load, before all other places. */
const VARIABLE = "TGI_CORE_LIB";
/** Where cargo builds; an executable of `deno compile` has its files under the same paths. */
const BUILT = new URL("../core-rs/target/release/", import.meta.url);
/** Where `deno task build:candle-cuda` builds. */
const BUILT_CANDLE_CUDA = new URL("../core-rs/target/candle-cuda/release/", import.meta.url);

/** A library file, and why it was picked. */
export interface LibraryChoice {
  readonly path: string;
  /** For the start-up log. */
  readonly reason: string;
  /** Whether it lies inside the executable. */
  readonly embedded?: boolean;
  /** The GPU that it is wanted for, as `--device` has it. */
  readonly gpu?: string;
}

/** What shall compute, and who. */
export interface Wanted {
  readonly device: string;
  readonly backend?: string;
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
 * embedded in it; else the one that cargo built. candle on a GPU has a library of its own.
 *
 * @throws StartError when that one is in none of these places.
 */
export function chooseLibrary(
  { variable, standalone, executable, exists }: Surroundings,
  { device, backend }: Wanted = { device: "cpu" },
): LibraryChoice {
  const isCandle = device !== "cpu" && backend === "candle";
  const gpu = isCandle ? { gpu: device } : {};
  if (variable) return { path: variable, reason: `named by ${VARIABLE}`, ...gpu };
  const file = isCandle ? CANDLE_CUDA : CORE;
  const built = fileURLToPath(new URL(file, isCandle ? BUILT_CANDLE_CUDA : BUILT));
  const beside = join(dirname(executable), file);
  if (standalone && exists(beside)) {
    return { path: beside, reason: "beside the executable", ...gpu };
  }
  if (file === CORE) {
    return standalone
      ? { path: built, reason: "embedded in the executable", embedded: true }
      : { path: built, reason: "built by cargo" };
  }
  if (!standalone && exists(built)) return { path: built, reason: "built by cargo", ...gpu };
  throw new StartError(
    `Cannot compute on ${device} with candle: ` +
      (standalone
        ? `there is no ${beside}; put that library there, `
        : `there is no ${built}; build it with \`deno task build:candle-cuda\`, `) +
      `name one by ${VARIABLE}, or give --backend cuda.`,
  );
}

/**
 * The library for what is wanted, in the surroundings of this process.
 *
 * @throws StartError as {@link chooseLibrary}.
 */
export function libraryFor(wanted: Wanted): LibraryChoice {
  return chooseLibrary(surroundings(), wanted);
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

function load(choice: LibraryChoice): Deno.DynamicLibrary<typeof SYMBOLS> {
  const { path, reason, embedded = false, gpu = null } = choice;
  try {
    return Deno.dlopen(path, SYMBOLS);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const temporary = Deno.env.get("TMPDIR") || "/tmp";
    throw new StartError(
      loadFailureText({ path, reason, embedded, gpu, temporary, present: exists(path), message }),
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
