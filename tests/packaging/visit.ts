/**
 * Starts an executable, asks it for text, stops it, and prints what was seen as JSON. It runs inside
 * the box, where alone the executable's address can be reached.
 *
 * Usage: deno run -A visit.ts EXECUTABLE FLAG...
 */

/** What was seen. */
export interface Visit {
  /** Exit code after SIGTERM. */
  readonly code: number;
  readonly log: string;
  /** Status of `/health`. */
  readonly health: number;
  /** Body of `/info`. */
  readonly info: { readonly model_id: string };
  /** Text of a whole answer. */
  readonly text: string;
  /** The same text from the pieces of a stream. */
  readonly streamed: string;
  /** Names and sizes of what lies in HOME and TMPDIR while it serves, bytes. */
  readonly files: Readonly<Record<string, number>>;
  /** Exit code and last line of a second start on the same port. */
  readonly second: { readonly code: number; readonly last: string };
}

async function visit(program: string, flags: readonly string[]): Promise<Visit> {
  const child = new Deno.Command(program, {
    args: [...flags, "--port", "0"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  const listening = Promise.withResolvers<string>();
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      const url = /on (http:\/\/[^\s"]+)/.exec(log)?.[1];
      if (url !== undefined) listening.resolve(url);
    }
    listening.reject(new Error(`It ended before it listened: ${log}`));
  })();
  const url = await listening.promise;
  const seen = {
    health: await health(url),
    info: await (await fetch(`${url}/info`)).json(),
    text: await whole(url),
    streamed: await stream(url),
    files: {
      ...filesIn(Deno.env.get("HOME") ?? ""),
      ...filesIn(Deno.env.get("TMPDIR") ?? ""),
    },
    second: await startAgain(program, flags, new URL(url).port),
  };
  child.kill("SIGTERM");
  const { code } = await child.status;
  await reading;
  return { code, log, ...seen };
}

const ASKED: RequestInit = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    inputs: "The capital of France is",
    parameters: { max_new_tokens: 3 },
  }),
};

async function health(url: string): Promise<number> {
  const response = await fetch(`${url}/health`);
  await response.body?.cancel();
  return response.status;
}

async function whole(url: string): Promise<string> {
  return (await (await fetch(`${url}/generate`, ASKED)).json()).generated_text;
}

async function stream(url: string): Promise<string> {
  const body = await (await fetch(`${url}/generate_stream`, ASKED)).text();
  return body.split("\n").filter((line) => line.startsWith("data:"))
    .map((line) => JSON.parse(line.slice("data:".length)).token.text).join("");
}

function filesIn(folder: string): Record<string, number> {
  return Object.fromEntries([...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory
      ? Object.entries(filesIn(path))
      : [[entry.name, Deno.statSync(path).size]];
  }));
}

async function startAgain(program: string, flags: readonly string[], port: string) {
  const again = new Deno.Command(program, { args: [...flags, "--port", port], stdin: "null" });
  const { code, stderr } = await again.output();
  return { code, last: new TextDecoder().decode(stderr).trimEnd().split("\n").at(-1) ?? "" };
}

if (import.meta.main) {
  const [program = "", ...flags] = Deno.args;
  const json = JSON.stringify(await visit(program, flags));
  Deno.stdout.writeSync(new TextEncoder().encode(json));
}
