import { equal, match } from "node:assert/strict";
import { type LoadFailure, loadFailureText } from "./load_failure.ts";

const EMBEDDED: LoadFailure = {
  path: "/t/deno-compile-tgi/core-rs/target/release/libtgi_core.so",
  reason: "embedded in the executable",
  embedded: true,
  gpu: null,
  temporary: "/t",
  present: true,
  message: "",
};

Deno.test("a noexec folder for temporary files is named, with TMPDIR as the fix", () => {
  const message = "Could not open library: Could not open library: /t/tgi1.so: failed to map " +
    "segment from shared object";
  match(
    loadFailureText({ ...EMBEDDED, message }),
    /^Cannot load the core from \/t: .*noexec.*; set TMPDIR .*, or put .* beside the executable\.$/,
  );
});

Deno.test("a full or read-only folder for temporary files is named, with TMPDIR as the fix", () => {
  const message = "Failed to write native addon (Deno FFI/Node API) '/t/a.so' to '/t/b.so'.";
  match(
    loadFailureText({ ...EMBEDDED, message }),
    /^Cannot write the core into \/t: .*full.*; set TMPDIR .*32 MB/,
  );
});

Deno.test("any other failure of the embedded library keeps the linker's words on one line", () => {
  const text = loadFailureText({ ...EMBEDDED, message: "Could not open library: a.so: bad\nELF." });
  match(text, /^Cannot load the core that is embedded in the executable: a\.so: bad ELF; fetch /);
});

Deno.test("a file that is not there is told so, whatever the linker says", () => {
  equal(
    loadFailureText({
      ...EMBEDDED,
      embedded: false,
      present: false,
      path: "/a.so",
      reason: "named by TGI_CORE_LIB",
    }),
    "Cannot load /a.so (named by TGI_CORE_LIB): there is no such file; build it with `deno task " +
      "build`, or name another by TGI_CORE_LIB.",
  );
});

const CANDLE_CUDA: LoadFailure = {
  ...EMBEDDED,
  path: "/opt/libtgi_core_candle_cuda.so",
  reason: "beside the executable",
  embedded: false,
  gpu: "cuda:1",
};

function missing(name: string): string {
  return `Could not open library: Could not open library: ${name}: cannot open shared object file: ` +
    "No such file or directory";
}

Deno.test("a machine without a driver is told so, with the driver to install", () => {
  equal(
    loadFailureText({ ...CANDLE_CUDA, message: missing("libcuda.so.1") }),
    "Cannot compute on cuda:1: this machine has no NVIDIA driver (libcuda.so.1, which " +
      "/opt/libtgi_core_candle_cuda.so needs, was not found); install driver 580 or newer, or give " +
      "--device cpu.",
  );
});

Deno.test("a library of CUDA that is missing is named, with where to put it", () => {
  const message = missing("libcublas.so.13");
  equal(
    loadFailureText({ ...CANDLE_CUDA, message }),
    "Cannot compute on cuda:1: CUDA's libcublas.so.13, which /opt/libtgi_core_candle_cuda.so needs, " +
      "was not found; install the libraries of CUDA 13, put them beside that file or name their " +
      "folder by LD_LIBRARY_PATH, or give --device cpu.",
  );
  match(
    loadFailureText({ ...CANDLE_CUDA, gpu: null, message }),
    /^Cannot load \/opt\/libtgi_core_candle_cuda\.so .*, or name another library by TGI_CORE_LIB\.$/,
  );
});
