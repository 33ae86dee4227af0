/**
 * Makes a release: archives, sums, bill of materials, notes.
 *
 * Usage: deno task release [--preview] [--help]
 */

import { join } from "node:path";
import { DEFAULT_MODEL } from "../server/model_source/pinned_model.ts";
import { compileExecutables } from "./compile.ts";
import { runQuietly } from "./packaging/quiet.ts";
import { pack, writeSums } from "./release/archive.ts";
import { bundledPackages, linkedCrates, type Part } from "./release/components.ts";
import { notesOf, UNRELEASED } from "./release/notes.ts";
import { sbomOf } from "./release/sbom.ts";
import { print, ROOT, say, step } from "./steps.ts";
import config from "../deno.json" with { type: "json" };

const HELP = `Usage: deno task release [--preview]

Makes both executables and puts into dist/release:
  tgi-VERSION-linux-x86_64.tar.xz, tgi-smollm2-VERSION-linux-x86_64.tar.xz
  tgi.cdx.json, tgi-smollm2.cdx.json   bills of materials with licences (CycloneDX)
  NOTES.md                             what CHANGELOG.md says of VERSION
  SHA256SUMS                           of all of these
VERSION is that of deno.json.
  --preview  take the notes of "Unreleased", and any base binary: not for publishing`;

/** What lies in an archive beside the executable and its bill. */
const COMPANIONS = [
  "LICENSE",
  "README.md",
  "CHANGELOG.md",
  "docs/packaging.md",
  "deploy/tgi.service",
]
  .map((file) => `${ROOT}${file}`);

const PREVIEW = `> A preview: its base binary is pinned by hash, but does not come from Deno itself.
> Not for publishing.

`;

/** Makes the release in dist/release and tells the files. */
async function release(preview: boolean): Promise<string[]> {
  const { version } = config;
  const changelog = await Deno.readTextFile(`${ROOT}CHANGELOG.md`);
  const notes = notesOf(changelog, preview ? UNRELEASED : version);
  const folder = `${ROOT}dist/release`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const { tgi, tgiSmollm2, base, runtime } = await compileExecutables(`${ROOT}dist`);
  if (!base.trusted && !preview) {
    throw new Error(
      `Cannot release on a base binary ${base.origin}: nobody vouches for it; name Deno's own by ` +
        "DENORT_BIN, or give --preview",
    );
  }
  await Deno.mkdir(folder, { recursive: true });
  const parts = [runtimePart(runtime), ...await linkedCrates(), ...await bundledPackages()];
  const files = [
    ...await packed(folder, "tgi", tgi, parts),
    ...await packed(folder, "tgi-smollm2", tgiSmollm2, [...parts, MODEL_PART]),
  ];
  const notesFile = join(folder, "NOTES.md");
  await Deno.writeTextFile(notesFile, base.trusted ? notes : PREVIEW + notes);
  files.push(notesFile);
  return [...files, await writeSums(files)];
}

const MODEL_PART: Part = {
  kind: "model",
  name: DEFAULT_MODEL.file,
  version: DEFAULT_MODEL.sha256,
  license: "Apache-2.0",
};

function runtimePart(version: string): Part {
  return { kind: "runtime", name: "deno", version, license: "MIT" };
}

/** The archive of an executable, and its bill, which is in the archive, too. */
async function packed(
  folder: string,
  name: string,
  executable: string,
  parts: readonly Part[],
): Promise<string[]> {
  const { version } = config;
  const bill = join(folder, `${name}.cdx.json`);
  await Deno.writeTextFile(bill, `${JSON.stringify(sbomOf(name, version, parts), null, 2)}\n`);
  const files = [executable, bill, ...COMPANIONS];
  const archiveName = `${name}-${version}-linux-x86_64`;
  return [
    await step(archiveName, async () => pack(folder, archiveName, files, await epoch())),
    bill,
  ];
}

/** Time of the files in an archive, seconds: `SOURCE_DATE_EPOCH`, else that of the last commit. */
async function epoch(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given) return Number(given);
  const { stdout } = await runQuietly({ program: "git", args: ["log", "-1", "--format=%ct"] });
  return Number(stdout.trim()) || 0;
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(HELP);
    Deno.exit(0);
  }
  try {
    for (const path of await release(Deno.args.includes("--preview"))) {
      print(`${path} ${(Deno.statSync(path).size / 1e6).toFixed(1)} MB`);
    }
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
