/** The flags made into what is measured, and checked together. */

import type { Printout } from "../options/command_line.ts";
import { usageError } from "../options/flag.ts";
import { type BenchCommandLine, readBenchCommandLine } from "./command_line.ts";
import type { BenchValues } from "./flags.ts";

/** One load under which the server is measured. */
export type Load =
  | { readonly kind: "closed"; readonly clients: number }
  | { readonly kind: "open"; readonly rate: number };

/** What to do. */
export interface BenchSettings {
  readonly values: BenchValues;
  /** Address of the server. */
  readonly url: URL;
  /** Measured one after another. */
  readonly loads: readonly Load[];
  /** Base and other of `--compare`; null measures. */
  readonly compare: readonly [string, string] | null;
}

/**
 * Reads and checks all settings.
 *
 * @throws StartError with exit code 2 for a wrong flag, value or combination.
 */
export function readBenchSettings(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): BenchSettings | Printout {
  const read = readBenchCommandLine(args, variables);
  if ("text" in read) return read;
  const { values, given } = read;
  if (given.has("rate") && given.has("clients")) {
    throw usageError(
      "--clients and --rate exclude each other: --clients is a closed loop, --rate an open one.",
    );
  }
  const loads: Load[] = values.rate === null
    ? values.clients.map((clients) => ({ kind: "closed", clients }))
    : values.rate.map((rate) => ({ kind: "open", rate }));
  return { values, url: serverUrl(values.url), loads, compare: comparedFiles(read) };
}

function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.username) {
    throw usageError("--url cannot hold a user name or password: give a token by --api-key.");
  }
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw usageError(`--url ${text} cannot be used: it must be like http://127.0.0.1:3000.`);
}

function comparedFiles({ values, operands }: BenchCommandLine): readonly [string, string] | null {
  const [base, other, ...rest] = operands;
  if (!values.compare) {
    if (base === undefined) return null;
    throw usageError(`${base} is no flag: files are for --compare only. See --help.`);
  }
  if (base === undefined || other === undefined || rest.length > 0) {
    throw usageError(
      `--compare takes two files, not ${operands.length}: --compare base.json other.json.`,
    );
  }
  return [base, other];
}
