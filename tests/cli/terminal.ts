/** A terminal of 80 columns and 24 rows in which the real program runs, by util-linux `script`. */

import { generous } from "../e2e/generous.ts";
import { programWords, ROOT } from "../e2e/server.ts";
import { baseEnvironment } from "./environment.ts";
import { screenOf } from "./screen.ts";

/** Keys that have no letter. */
export const Key = { enter: "\r", ctrlC: "\x03", ctrlD: "\x04", up: "\x1b[A" } as const;

/** A program in its terminal. */
export interface Terminal extends AsyncDisposable {
  /** Presses keys. */
  press(...keys: readonly string[]): Promise<void>;
  /** Resolves when the screen, since the last call, shows the text. */
  shows(text: string | RegExp): Promise<void>;
  /** All lines so far. */
  screen(): string[];
  /** All bytes so far. */
  bytes(): string;
  /** Resolves when the program has taken the shell's place, or is about to. */
  readonly started: Promise<void>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
}

/** What the shell prints before the program takes its place: all attributes off, seen by nobody. */
const STARTED = "\x1b[m";

/** Starts the program with these arguments in a terminal. */
export function openTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Terminal {
  const line = programWords(args).map(quoted).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qfec", `stty rows 24 cols 80; printf '\\033[m'; exec ${line}`, "/dev/null"],
    cwd: ROOT,
    env: { ...baseEnvironment(), TERM: "xterm", SHELL: "/bin/sh", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let bytes = "";
  let seen = 0;
  let look = () => {};
  const start = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      bytes += text;
      if (bytes.includes(STARTED)) start.resolve();
      look();
    }
    look();
  })();
  const ended = (async () => (await Promise.all([child.status, reading]))[0].code)();
  const shows = (text: string | RegExp) => {
    const wanted = new RegExp(text instanceof RegExp ? text : RegExp.escape(text));
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => {
      const found = wanted.exec(withoutControls(bytes).slice(seen));
      if (found === null) return;
      seen += found.index + found[0].length;
      look = () => {};
      resolve();
    };
    look();
    return generous(promise, `${text} on the screen`).catch((error) => {
      throw new Error(`${error.message}; it shows: ${JSON.stringify(bytes)}`);
    });
  };
  return {
    press: async (...pressed) => {
      for (const key of pressed) await keys.write(new TextEncoder().encode(key));
    },
    shows,
    screen: () => screenOf(bytes),
    bytes: () => bytes.replace(STARTED, ""),
    get started() {
      return generous(start.promise, "the program's start");
    },
    get ended() {
      return generous(ended, "the program's end");
    },
    async [Symbol.asyncDispose]() {
      await keys.close().catch(() => {});
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await ended;
    },
  };
}

/** What was written, letter by letter, however the cursor moved. */
export function withoutControls(bytes: string): string {
  // deno-lint-ignore no-control-regex
  return bytes.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "");
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
