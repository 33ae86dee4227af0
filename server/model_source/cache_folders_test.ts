import assert from "node:assert/strict";
import { hubCacheFolder, modelCacheFolder } from "./cache_folders.ts";

function among(variables: Record<string, string>) {
  return (name: string) => variables[name];
}

Deno.test("the hub's cache is found by the rules of huggingface_hub", () => {
  const home = { HOME: "/h" };
  assert.equal(hubCacheFolder(among(home)), "/h/.cache/huggingface/hub");
  assert.equal(hubCacheFolder(among({ ...home, XDG_CACHE_HOME: "/x" })), "/x/huggingface/hub");
  assert.equal(hubCacheFolder(among({ ...home, HF_HOME: "/f" })), "/f/hub");
  assert.equal(hubCacheFolder(among({ HF_HOME: "/f", HF_HUB_CACHE: "/c" })), "/c");
  assert.equal(hubCacheFolder(among({ HF_HUB_CACHE: "/c" }), "/flag"), "/flag");
  const both = { HF_HUB_CACHE: "/c", HUGGINGFACE_HUB_CACHE: "/old" };
  assert.equal(hubCacheFolder(among(both)), "/c");
  assert.equal(hubCacheFolder(among({ HUGGINGFACE_HUB_CACHE: "/old", HF_HOME: "/f" })), "/old");
  assert.equal(hubCacheFolder(among({ ...home, HF_HOME: "~/f" })), "/h/f/hub");
  assert.equal(hubCacheFolder(among({ ...home, HF_HOME: "" })), "/h/.cache/huggingface/hub");
});

Deno.test("our own cache lies in the user's cache folder, with or without a home", () => {
  assert.equal(modelCacheFolder(among({ HOME: "/h" })), "/h/.cache/tgi/models");
  assert.equal(modelCacheFolder(among({ HOME: "/h", XDG_CACHE_HOME: "/x" })), "/x/tgi/models");
  assert.equal(modelCacheFolder(among({})), "/tmp/.cache/tgi/models");
});
