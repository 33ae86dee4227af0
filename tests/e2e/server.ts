/** Starts the real program as its task does, with the same permissions. */

import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../../scripts/steps.ts";
import { generous } from "./generous.ts";

export { ROOT };

/** `run --no-prompt … main.ts`, as `deno task serve` has it after its build. */
const RUN_MAIN = (config.tasks.serve.command.split("&& deno ")[1] ?? "").split(" ");

/** How the program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Environment and wrapping of a start. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the program: `bash -c …` and the like. */
  readonly prefix?: readonly string[];
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Standard error until now. */
  log(): string;
  kill(signal: Deno.Signal): void;
  /** Resolves when the program has ended; to be asked for when it is about to. */
  readonly ended: Promise<Ended>;
}

/** Runs the program until it ends by itself. */
export async function runToEnd(
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await generous(
    command(args, options).output(),
    "the program's end",
  );
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts a server on a free port over the scripted backend, and waits until it listens. */
export function startScripted(
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<RunningServer> {
  return startServer(["--backend", "scripted", ...args], options);
}

/** Starts a server on a free port, and waits until it listens. */
export async function startServer(
  args: readonly string[],
  options: StartOptions = {},
): Promise<RunningServer> {
  const child = command(["--port", "0", ...args], options).spawn();
  const listening = Promise.withResolvers<string>();
  let log = "";
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      const url = /on (http:\/\/[^\s"]+)/.exec(log)?.[1];
      if (url !== undefined) listening.resolve(url);
    }
    listening.reject(new Error(`The server ended before it listened: ${log}`));
  })();
  const ended = (async () => {
    const [{ code }, stdout] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      reading,
    ]);
    return { code, stdout, stderr: log };
  })();
  const url = await generous(listening.promise, "the server's address");
  return {
    url,
    pid: child.pid,
    port: Number(new URL(url).port),
    log: () => log,
    kill: (signal) => child.kill(signal),
    get ended() {
      return generous(ended, "the server's end");
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await ended;
    },
  };
}

/** The body of a `/generate` or `/generate_stream` request. */
export function generation(inputs: string, parameters: Record<string, unknown>): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs, parameters }),
  };
}

/** The `data:` lines of a stream, parsed. */
export async function eventsOf(response: Response): Promise<StreamEvent[]> {
  const text = await response.text();
  return text.split("\n").filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice("data: ".length)));
}

/** What the tests read of an event. */
export interface StreamEvent {
  readonly token?: { readonly text: string };
  readonly generated_text?: string | null;
  readonly error?: string;
  readonly error_type?: string;
}

/** The program with these flags, ready to start. */
export function command(
  args: readonly string[],
  { env = {}, prefix = [] }: StartOptions,
): Deno.Command {
  const [program = "", ...rest] = [...prefix, ...programWords(args)];
  return new Deno.Command(program, {
    args: rest,
    cwd: ROOT,
    env: { NO_COLOR: "1", HOSTNAME: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/**
 * The program and its arguments, word by word; to be run in {@link ROOT}. `TGI_PROGRAM` names an
 * executable to test instead of the source.
 */
export function programWords(args: readonly string[]): string[] {
  const executable = Deno.env.get("TGI_PROGRAM");
  return executable ? [executable, ...args] : [Deno.execPath(), ...RUN_MAIN, ...args];
}
