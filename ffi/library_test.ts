import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { StartError } from "../server/errors.ts";
import { chooseLibrary, openLibrary, type Surroundings } from "./library.ts";

const CHECKOUT: Surroundings = {
  variable: undefined,
  standalone: false,
  executable: "/opt/tgi/tgi",
  exists: () => true,
};

Deno.test("the variable goes before everything else", () => {
  const choice = chooseLibrary({ ...CHECKOUT, variable: "/a/b.so", standalone: true });
  equal(choice.path, "/a/b.so");
  match(choice.reason, /TGI_CORE_LIB/);
});

Deno.test("a checkout uses what cargo built, whatever lies beside deno", () => {
  const choice = chooseLibrary(CHECKOUT);
  match(choice.path, /core-rs\/target\/release\/libtgi_core\.so$/);
  equal(choice.reason, "built by cargo");
});

Deno.test("a compiled executable takes the library beside it, else the embedded one", () => {
  const beside = chooseLibrary({ ...CHECKOUT, standalone: true });
  equal(beside.path, "/opt/tgi/libtgi_core.so");
  const embedded = chooseLibrary({ ...CHECKOUT, standalone: true, exists: () => false });
  equal(embedded.reason, "embedded in the executable");
});

Deno.test("candle on a GPU has a library of its own, beside the executable or built by cargo", () => {
  const backend = "candle";
  for (const device of ["cuda", "cuda:3"]) {
    const beside = chooseLibrary({ ...CHECKOUT, standalone: true }, { device, backend });
    deepEqual(beside, {
      path: "/opt/tgi/libtgi_core_candle_cuda.so",
      reason: "beside the executable",
      gpu: device,
    });
    const built = chooseLibrary(CHECKOUT, { device, backend });
    match(built.path, /target\/candle-cuda\/release\/libtgi_core_candle_cuda\.so$/);
    const named = chooseLibrary({ ...CHECKOUT, variable: "/a.so" }, { device, backend });
    deepEqual(named, { path: "/a.so", reason: "named by TGI_CORE_LIB", gpu: device });
  }
  const others = [{ device: "cpu", backend }, { device: "cuda", backend: "cuda" }];
  for (const other of others) {
    match(chooseLibrary(CHECKOUT, other).path, /release\/libtgi_core\.so$/);
  }
});

Deno.test("candle on a GPU without its library is one sentence with the ways out", () => {
  const bare = { ...CHECKOUT, exists: () => false };
  const refusal = (surroundings: Surroundings) => {
    try {
      return chooseLibrary(surroundings, { device: "cuda", backend: "candle" }).path;
    } catch (error) {
      ok(error instanceof StartError);
      return error.message;
    }
  };
  equal(
    refusal({ ...bare, standalone: true }),
    "Cannot compute on cuda with candle: there is no /opt/tgi/libtgi_core_candle_cuda.so; put that " +
      "library there, name one by TGI_CORE_LIB, or give --backend cuda.",
  );
  match(
    refusal(bare),
    /^Cannot compute on cuda with candle: there is no \/.*; build it with `deno task build:candle-cuda`, name /,
  );
});

Deno.test("a library that cannot be loaded is one sentence with the path and the fix", () => {
  const choice = { path: "/nowhere/libtgi_core.so", reason: "named by a test" };
  throws(() => openLibrary(choice), (error) => {
    ok(error instanceof StartError && error.cause instanceof Error);
    match(error.message, /^Cannot load \/nowhere\/libtgi_core\.so \(named by a test\): /);
    match(error.message, /deno task build/);
    return true;
  });
});
