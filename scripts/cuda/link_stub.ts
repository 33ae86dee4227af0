/** A stand-in for the driver's library at link time: no package has one. */

/** `CUDA_ERROR_STUB_LIBRARY` (cuda.h): what a program gets that runs against the stub. */
const STUB_LIBRARY = 34;

/** C source of a library with every function that `header`, the text of cuda.h, names. */
export function stubSource(header: string): string {
  // Types match, too: names too many do no harm in a library that is only linked against.
  const names = new Set(header.match(/\bcu[A-Z]\w*/g));
  return [...names].sort().map((name) => `int ${name}(void) { return ${STUB_LIBRARY}; }\n`)
    .join("");
}
