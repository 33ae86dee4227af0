import { deepEqual, rejects } from "node:assert/strict";
import { readKeys } from "./api_keys.ts";

async function inFile(text: string, given: readonly string[] = []): Promise<readonly string[]> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, text);
    return await readKeys(given, file);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("keys of the flags and of the file come together", async () => {
  deepEqual(await readKeys(["a"], null), ["a"]);
  deepEqual(await inFile("b\r\n\n# a note\n  c  \n", ["a"]), ["a", "b", "c"]);
});

Deno.test("a file that is not there or holds no key ends the start", async () => {
  await rejects(
    readKeys([], "/no/such/file"),
    /Cannot read the keys of --api-key-file \/no\/such\/file: there is no such file; check the path\.$/,
  );
  await rejects(readKeys([], "/"), /--api-key-file \/: it is a folder; name the file\.$/);
  await rejects(inFile("# only a note\n"), /holds no key/);
});
