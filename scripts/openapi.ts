// deno-lint-ignore-file no-console
/**
 * Writes `openapi.json` from the schemas, or checks that it is current.
 *
 * Usage: deno task openapi [--check] [--help]
 */

import { openApiDocument } from "../server/openapi.ts";

const path = new URL("../openapi.json", import.meta.url);

/** What the file should hold. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(
      "Usage: deno task openapi [--check]\n\n" +
        "Writes openapi.json from the zod schemas of server/schemas.\n" +
        "  --check  only tell whether the file is current; exit status 1 when it is not",
    );
    return 0;
  }
  const text = openApiText();
  if (!args.includes("--check")) {
    await Deno.writeTextFile(path, text);
    return 0;
  }
  if (await Deno.readTextFile(path) === text) return 0;
  console.error("openapi.json is not current: run `deno task openapi` and commit the file");
  return 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
