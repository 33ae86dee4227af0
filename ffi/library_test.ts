import { equal, match, ok, throws } from "node:assert/strict";
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

Deno.test("candle on cuda takes its own library, beside the executable or built by cargo", () => {
  const wanted = { backend: "candle", device: "cuda" };
  const beside = chooseLibrary({ ...CHECKOUT, standalone: true }, wanted);
  equal(beside.path, "/opt/tgi/libtgi_core_candle_cuda.so");
  match(chooseLibrary(CHECKOUT, wanted).path, /release\/libtgi_core_candle_cuda\.so$/);
  match(chooseLibrary(CHECKOUT, { ...wanted, backend: "cpu" }).path, /release\/libtgi_core\.so$/);
});

Deno.test("candle on cuda without its library is one sentence with the ways out", () => {
  const bare = { ...CHECKOUT, standalone: true, exists: () => false };
  throws(() => chooseLibrary(bare, { backend: "candle", device: "cuda" }), (error) => {
    ok(error instanceof StartError);
    match(error.message, /there is no \/opt\/tgi\/libtgi_core_candle_cuda\.so; .*TGI_CORE_LIB/);
    match(error.message, /--device cpu/);
    return true;
  });
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
