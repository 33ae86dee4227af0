import assert from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { baseWarning, isMadeFrom } from "./adapter_base.ts";

Deno.test("a model in another format or place is the one that an adapter was trained on", () => {
  const base = "Owner/Small-8B-Instruct";
  for (
    const served of [
      base,
      "owner/small-8b-instruct",
      "other/Small-8B-Instruct-GGUF:Q4_K_M",
      "other/Small-8B-Instruct-AWQ",
      "other/Small-8B-Instruct-GPTQ-Int4",
      "/models/Small-8B-Instruct/",
      "./small-8b-instruct-q4_1.gguf",
      "small-8b-instruct.IQ4_NL.gguf",
    ]
  ) assert.ok(isMadeFrom(base, served), served);
  for (const served of ["Owner/Small-8B", "Owner/Small-8B-Instruct-v2", "a/Small-80B-Instruct"]) {
    assert.ok(!isMadeFrom(base, served), served);
  }
  assert.ok(!isMadeFrom("Owner/Small-8B", base));
});

Deno.test("another model is told in TGI's words, and what cannot be told is passed over", async () => {
  await using folder = await scratchFolder();
  const file = join(folder.path, "adapter_config.json");
  const warning = async (settings: string) => {
    await Deno.writeTextFile(file, settings);
    return await baseWarning("polite", file, "owner/model");
  };
  assert.equal(
    await warning('{"base_model_name_or_path": "owner/other"}'),
    "Adapter 'polite' was not trained on base model 'owner/model'. If you encounter issues, use " +
      "--model-id 'owner/other' instead.",
  );
  for (const name of ['"owner/model"', "null", '""', "7"]) {
    assert.equal(await warning(`{"base_model_name_or_path": ${name}}`), null, name);
  }
  assert.equal(await warning("{}"), null);
  assert.equal(await warning("no settings"), null);
  assert.equal(await baseWarning("polite", join(folder.path, "nowhere"), "owner/model"), null);
});
