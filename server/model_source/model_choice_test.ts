import { deepEqual, equal, match, throws } from "node:assert/strict";
import { relative } from "node:path";
import fc from "fast-check";
import { StartError } from "../errors.ts";
import { placeOf, repositoryFolder } from "./hub_cache.ts";
import { chooseModel } from "./model_choice.ts";
import { readHubReference, readWanted } from "./model_id.ts";

const ANY = { file: null, quantization: null };

function refusal(names: readonly string[]): string {
  let message = "";
  throws(() => chooseModel("o/m", names, ANY), (error: Error) => {
    message = error.message;
    return true;
  });
  return message;
}

Deno.test("safetensors are taken before .gguf files, unless one of these is asked for", () => {
  const names = ["config.json", "tokenizer.json", "model.safetensors", "m.Q8_0.gguf"];
  const open = chooseModel("o/m", names, ANY);
  equal(open.kind, "safetensors");
  equal(
    open.reason,
    "its safetensors weights; a .gguf file by --gguf-file or NAME:QUANT",
  );
  equal(chooseModel("o/m", names, { ...ANY, quantization: "Q8_0" }).kind, "gguf");
  equal(chooseModel("o/m", names, { ...ANY, file: "m.Q8_0.gguf" }).kind, "gguf");
});

Deno.test("shards without an index, or a model without a tokenizer, are refused", () => {
  const shards = [1, 2].map((number) => `m-0000${number}-of-00002.safetensors`);
  match(refusal(["config.json", ...shards]), /its \.safetensors files are no whole model/);
  match(refusal(["config.json", "model.safetensors"]), /it has no tokenizer\.json; name a /);
});

Deno.test("a single file of any name is the weights, an adapter is not", () => {
  const side = ["config.json", "tokenizer.json", "adapter_model.safetensors"];
  const names = [...side, "gptq-4bit.safetensors"];
  const choice = chooseModel("o/m", names, ANY);
  deepEqual(choice.kind === "safetensors" && choice.weights, ["gptq-4bit.safetensors"]);
  match(refusal(side), /no whole model/);
});

Deno.test("what cannot be served is refused by its reason", () => {
  match(
    refusal(["config.json", "pytorch_model-00001-of-00002.bin"]),
    /are pickles \(pytorch_model-/,
  );
  match(refusal(["config.json", "flax_model.msgpack"]), /flax_model\.msgpack is of a format/);
  match(refusal(["model.safetensors"]), /\.safetensors files but no config\.json; name a/);
  match(refusal(["README.md"]), /^Cannot serve o\/m: it holds no weights, neither .* nor \.gguf; /);
});

Deno.test("an id may name a quantization, and nothing else", () => {
  deepEqual(readHubReference("o/m:Q8_0", null, null), {
    model: { repository: "o/m", revision: "main" },
    wanted: { file: null, quantization: "Q8_0" },
  });
  for (const id of ["o/m:", "o/m:a:b", "o/m:../x", ":Q8_0", "a/b/c"]) {
    throws(() => readHubReference(id, null, null), /Cannot find the model/, id);
  }
  throws(() => readHubReference("o/m:Q8_0", null, "a.gguf"), /are both given; leave one out/);
});

Deno.test("a file's name stays inside its repository", () => {
  equal(readWanted("sub/a.gguf", null).file, "sub/a.gguf");
  for (const file of ["../a.gguf", "/a.gguf", "a/../b.gguf", "a.bin", ".a.gguf"]) {
    throws(() => readWanted(file, null), /it is no path of a \.gguf file inside/, file);
  }
});

Deno.test("no id, revision or file name leaves the cache, whatever it is", () => {
  const piece = fc.constantFrom("..", ".", "/", "\\", "a", "B-1", ":", "%2f", "~", "\0", " ", "-");
  const name = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
  fc.assert(fc.property(name, name, name, (id, revision, file) => {
    try {
      const { model, wanted } = readHubReference(id, revision, `${file}.gguf`);
      const root = repositoryFolder("/cache", model.repository);
      match(relative("/cache", root), /^models--[\w.-]+$/);
      const { pointer } = placeOf("/cache", model.repository, "c0", {
        path: wanted.file ?? "",
        etag: "e",
      });
      match(relative(root, pointer), /^snapshots\/c0\/\w/);
      match(relative("/refs", `/refs/${model.revision}`), /^\w/);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
    }
  }));
});
