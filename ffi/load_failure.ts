/** Why a library cannot be loaded, as one sentence with the fix. */

/** The driver's own library; all others come with the toolkit or from packages. */
const DRIVER = "libcuda.so";

/** What the sentence depends on. */
export interface LoadFailure {
  readonly path: string;
  /** Why this file was picked. */
  readonly reason: string;
  /** Whether it lies inside the executable: Deno then writes it into `temporary` to load it. */
  readonly embedded: boolean;
  /** The GPU that the library is wanted for; null for the processor. */
  readonly gpu: string | null;
  /** The folder for temporary files. */
  readonly temporary: string;
  /** Whether the file is there. */
  readonly present: boolean;
  /** What Deno said. */
  readonly message: string;
}

/** The sentence. The words of Deno and of the dynamic linker are recognized where they are vague. */
export function loadFailureText(failure: LoadFailure): string {
  return failure.embedded ? embeddedText(failure) : cudaText(failure) ?? fileText(failure);
}

/** What is missing of CUDA: its libraries are linked, so the dynamic linker misses them at load. */
function cudaText({ path, reason, gpu, message }: LoadFailure): string | null {
  const missing = /(lib(?:cu|nv)\w+\.so[.\d]*): cannot open shared object file/.exec(message)?.[1];
  if (missing === undefined) return null;
  const what = gpu === null ? `Cannot load ${path} (${reason})` : `Cannot compute on ${gpu}`;
  const way = gpu === null ? "name another library by TGI_CORE_LIB" : "give --device cpu";
  return missing.startsWith(DRIVER)
    ? `${what}: this machine has no NVIDIA driver (${missing}, which ${path} needs, was not found); ` +
      `install driver 580 or newer, or ${way}.`
    : `${what}: CUDA's ${missing}, which ${path} needs, was not found; install the libraries of ` +
      `CUDA 13, put them beside that file or name their folder by LD_LIBRARY_PATH, or ${way}.`;
}

function embeddedText({ temporary, message }: LoadFailure): string {
  const fix = "or put the libtgi_core.so of this version beside the executable.";
  if (/failed to map segment|operation not permitted/i.test(message)) {
    return `Cannot load the core from ${temporary}: programs may not run from there (it is mounted ` +
      `noexec); set TMPDIR to a folder where they may, ${fix}`;
  }
  if (/failed to write|no space|read-only|permission denied|no such file/i.test(message)) {
    return `Cannot write the core into ${temporary}: the folder is full, missing or read-only; set ` +
      `TMPDIR to a folder with 32 MB free, ${fix}`;
  }
  return `Cannot load the core that is embedded in the executable: ${
    oneLine(message)
  }; fetch the ` +
    `executable again, ${fix}`;
}

function fileText({ path, reason, present, message }: LoadFailure): string {
  const why = present ? oneLine(message) : "there is no such file";
  return `Cannot load ${path} (${reason}): ${why}; build it with \`deno task build\`, or name ` +
    "another by TGI_CORE_LIB.";
}

/** Deno says "Could not open library" once for each layer. */
function oneLine(message: string): string {
  return message.replaceAll("Could not open library: ", "").replace(/\s*\n\s*/g, " ")
    .replace(/[.;\s]+$/, "");
}
