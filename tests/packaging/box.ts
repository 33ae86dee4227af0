/** Runs a program in an empty box of Linux namespaces; see `box.sh`. */

import { fileURLToPath } from "node:url";
import { generous } from "../e2e/generous.ts";

const SCRIPT = fileURLToPath(new URL("box.sh", import.meta.url));

/** What the box is like where it is not the usual one. */
export interface BoxOptions {
  /** Mount options of the folder for temporary files. */
  readonly temporary?: string;
  /** Most data that the program may take, KiB. */
  readonly dataKib?: number;
}

/** How a program ended. */
export interface BoxEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that the box works in. */
export interface Box extends AsyncDisposable {
  run(command: readonly string[], options?: BoxOptions): Promise<BoxEnd>;
}

/** Makes a box. */
export async function makeBox(): Promise<Box> {
  const folder = await Deno.makeTempDir({ prefix: "tgi-box-" });
  for (const name of ["home", "work", "tmp"]) await Deno.mkdir(`${folder}/${name}`);
  return {
    run: (command, options = {}) => runIn(folder, command, options),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/**
 * Why boxes cannot be had here, as one sentence; null where they can. Containers without
 * CAP_SYS_ADMIN often forbid namespaces, also to root.
 */
export async function whyNoBox(): Promise<string | null> {
  await using box = await makeBox();
  const { code, stderr } = await box.run(["true"]);
  return code === 0
    ? null
    : `Cannot test the executables without a network: this machine forbids ` +
      `user, network or mount namespaces (${stderr.trim()}); allow \`unshare -rnm\`, for a ` +
      "container by --cap-add=SYS_ADMIN or --security-opt seccomp=unconfined.";
}

async function runIn(
  folder: string,
  command: readonly string[],
  { temporary = "size=64m", dataKib }: BoxOptions,
): Promise<BoxEnd> {
  const limit = dataKib === undefined ? "unlimited" : String(dataKib);
  const child = new Deno.Command("unshare", {
    args: ["-rnm", "sh", SCRIPT, folder, temporary, limit, ...command],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await generous(child.output(), "the program's end");
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
