import assert from "node:assert/strict";
import { reportOf, steadyRound } from "../../tests/fakes/bench_report.ts";
import { startPeer } from "../../tests/fakes/peer.ts";
import { scratchFolder } from "../../tests/fakes/scratch.ts";
import { API_NAMES } from "../bench/api.ts";
import { parseReport } from "../bench/report.ts";
import { bench, type BenchContext } from "./bench.ts";

/** What a run printed. */
interface Run {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

async function run(args: readonly string[], context: Partial<BenchContext> = {}): Promise<Run> {
  let [output, errors] = ["", ""];
  const code = await bench(args, {
    variables: () => undefined,
    print: (text) => void (output += text),
    say: (text) => void (errors += text),
    terminal: { output: false, error: false },
    signal: new AbortController().signal,
    ...context,
  });
  return { code, output, errors };
}

const SMALL = ["--clients", "1,3", "--requests", "2", "--rounds", "2", "--max-new-tokens", "4"];

for (const api of API_NAMES) {
  Deno.test(`${api}: a peer is measured from the command line`, async () => {
    await using peer = startPeer({ api, tokens: 4, pieceBytes: 37 });
    const { code, output, errors } = await run([
      ...SMALL,
      "--api",
      api,
      "--url",
      peer.url,
      "--json",
    ]);
    assert.equal(code, 0, errors);
    assert.equal(errors, "");
    const { cells, configuration } = parseReport(output, "the output");
    assert.deepEqual(
      cells.map(({ ok, failed, tokens, endedEarly }) => [ok, failed, tokens, endedEarly]),
      [
        [4, 0, 16, 0],
        [12, 0, 48, 0],
      ],
    );
    assert.equal(configuration["api"], api);
    // Besides the measured ones each client warms up once.
    assert.equal(peer.requests.length, 4 + 12 + 1 + 3);
  });
}

Deno.test("an open loop is measured at each rate", async () => {
  await using peer = startPeer({ api: "tgi", tokens: 4 });
  const args = ["--rate", "20,60", "--duration", "1", "--rounds", "1", "--url", peer.url];
  const { code, output } = await run([...args, "--json", "-"]);
  assert.equal(code, 0);
  const { cells } = parseReport(output, "the output");
  assert.deepEqual(cells.map(({ load }) => load), [
    { kind: "open", rate: 20 },
    { kind: "open", rate: 60 },
  ]);
  const [slow = 0, fast = 0] = cells.map(({ ok }) => ok);
  assert.ok(slow > 0 && fast > slow);
});

Deno.test("the table goes to standard output, files hold the rest, and no secret is in them", async () => {
  await using folder = await scratchFolder();
  await using peer = startPeer({ api: "tgi", tokens: 4 });
  const [json, html] = [`${folder.path}/a.json`, `${folder.path}/a.html`];
  const args = [...SMALL, "--url", peer.url, "--json", json, "--html", html, "--api-key", "s3cret"];
  const { code, output } = await run(args);
  assert.equal(code, 0);
  assert.match(output, /\n3 clients +[\d.,]+/);
  assert.equal(peer.requests[0]?.authorization, "Bearer s3cret");
  const [written, page] = [await Deno.readTextFile(json), await Deno.readTextFile(html)];
  assert.equal(parseReport(written, json).cells.length, 2);
  assert.match(page, /^<!doctype html>/);
  assert.ok(![output, written, page].some((text) => text.includes("s3cret")));
});

Deno.test("prompts come from a file, with their own limits and a shared prefix", async () => {
  await using folder = await scratchFolder();
  await using peer = startPeer({ api: "llamacpp", tokens: 4 });
  const file = `${folder.path}/prompts.jsonl`;
  await Deno.writeTextFile(file, '{"prompt":"alpha","max_new_tokens":9}\n"beta"\n');
  const args = ["--clients=1", "--requests=1", "--rounds=1", "--api=llamacpp", "--url", peer.url];
  const { code, output } = await run([
    ...args,
    "--prompt-file",
    file,
    "--shared-prefix-tokens",
    "8",
    "--max-new-tokens=4",
  ]);
  assert.equal(code, 0);
  assert.match(output, /prompts of \S+prompts\.jsonl after 8 shared ones/);
  const [first, second] = peer.requests.map(({ json }) => json);
  assert.equal(first?.["n_predict"], 9);
  assert.equal(second?.["n_predict"], 4);
  assert.equal(first?.["cache_prompt"], true);
  assert.match(String(first?.["prompt"]), /^(\w+ ){8}alpha$/);
  assert.match(String(second?.["prompt"]), /^(\w+ ){8}beta$/);
});

Deno.test("a server that is not there is one sentence", async () => {
  const peer = startPeer({ api: "tgi" });
  await peer[Symbol.asyncDispose]();
  const { code, output, errors } = await run([...SMALL, "--url", peer.url]);
  assert.equal(code, 1);
  assert.equal(output, "");
  assert.equal(
    errors,
    `Cannot measure ${peer.url}: no warm-up request went well (1 × connection refused); ` +
      "is the server running, and does it speak --api tgi?\n",
  );
});

Deno.test("a server that answers 429 now and then is counted, named and exit code 1", async () => {
  let asked = 0;
  const overloaded = () =>
    asked++ % 2 === 0
      ? null
      : Response.json({ error: "Model is overloaded", error_type: "overloaded" }, { status: 429 });
  await using peer = startPeer({ api: "tgi", tokens: 4, before: overloaded });
  const args = ["--clients=1", "--requests=10", "--rounds=1", "--max-new-tokens=4"];
  const { code, output } = await run([...args, "--url", peer.url]);
  assert.equal(code, 1);
  assert.match(output, /requests: 5 ok, 5 failed/);
  assert.match(output, /\n1 client: 5 × status 429: Model is overloaded/);
  assert.match(output, / 50\.0 +0\.00\n/);
});

Deno.test("a server that goes away while it is measured leaves the table", async () => {
  const down = Promise.withResolvers<void>();
  let asked = 0;
  const peer = startPeer({
    api: "tgi",
    tokens: 4,
    before: () => {
      if (++asked === 10) down.resolve(peer[Symbol.asyncDispose]());
      return null;
    },
  });
  const args = ["--clients=2", "--requests=100", "--rounds=1", "--max-new-tokens=4"];
  const { code, output } = await run([...args, "--url", peer.url]);
  await down.promise;
  assert.equal(code, 1);
  assert.match(output, /\n2 clients: \d+ × connection (refused|lost)/);
  assert.match(output, /requests: [1-9]\d* ok, [1-9]\d* failed/);
});

Deno.test("a run that is called off shows what was measured until then, exit code 130", async () => {
  const stop = new AbortController();
  let asked = 0;
  const before = () => {
    if (++asked === 8) stop.abort();
    return null;
  };
  await using peer = startPeer({ api: "tgi", tokens: 4, before });
  const args = ["--clients=1,2", "--requests=3", "--rounds=2", "--url", peer.url];
  const { code, output } = await run(args, { signal: stop.signal });
  assert.equal(code, 130);
  assert.match(output, /requests: 6 ok, 0 failed/);
  assert.match(output, /\nInterrupted: this is what was measured until then\.\n$/);
  assert.ok(!output.includes("2 clients "));
});

Deno.test("a run that is called off at once measured nothing", async () => {
  const { code, output } = await run(SMALL, { signal: AbortSignal.abort() });
  assert.equal(code, 130);
  assert.match(output, /^Nothing was measured/);
});

Deno.test("progress is for terminals, and --quiet takes it away", async () => {
  await using peer = startPeer({ api: "tgi", tokens: 4 });
  const args = [...SMALL, "--url", peer.url];
  const terminal = { output: true, error: true };
  assert.match((await run(args, { terminal })).errors, /\r\[#*-*\] 3 clients, round 2 of 2/);
  assert.equal((await run([...args, "--quiet"], { terminal })).errors, "");
  assert.equal((await run(args)).errors, "");
});

Deno.test("the table has colour on a terminal alone, and never with NO_COLOR", async () => {
  await using peer = startPeer({ api: "tgi", tokens: 4 });
  const args = [...SMALL, "--quiet", "--url", peer.url];
  const terminal = { output: true, error: true };
  const variables = (name: string) => name === "NO_COLOR" ? "1" : undefined;
  assert.ok((await run(args, { terminal })).output.includes("\x1b[1m"));
  assert.ok(!(await run(args, { terminal, variables })).output.includes("\x1b"));
  assert.ok(!(await run(args)).output.includes("\x1b"));
});

Deno.test("two reports are compared, as a table and as a page", async () => {
  await using folder = await scratchFolder();
  const [a, b, html] = ["a.json", "b.json", "c.html"].map((name) => `${folder.path}/${name}`);
  assert.ok(a !== undefined && b !== undefined && html !== undefined);
  await Deno.writeTextFile(a, JSON.stringify(reportOf({ 16: [steadyRound(10)] })));
  await Deno.writeTextFile(b, JSON.stringify(reportOf({ 16: [steadyRound(25)] })));
  const { code, output } = await run(["--compare", a, b, "--html", html]);
  assert.equal(code, 0);
  assert.match(output, /16 clients +tokens\/s +50\.0 +125\.0 +2\.50x +better\n/);
  assert.match(await Deno.readTextFile(html), /2\.50x/);
});

Deno.test("a file that cannot be read, is no report or cannot be written is one sentence", async () => {
  await using folder = await scratchFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/bad.json`, "{}");
  const missing = await run(["--compare", `${path}/none.json`, `${path}/bad.json`]);
  assert.equal(missing.code, 2);
  assert.match(missing.errors, /^--compare: cannot read \S+none\.json: no such file or folder/);
  const bad = await run(["--compare", `${path}/bad.json`, `${path}/bad.json`]);
  assert.equal(bad.code, 2);
  assert.match(bad.errors, /^Cannot compare \S+bad\.json/);
  await using peer = startPeer({ api: "tgi", tokens: 4 });
  const unwritten = await run([...SMALL, "--url", peer.url, "--json", `${path}/no/a.json`]);
  assert.equal(unwritten.code, 1);
  assert.match(unwritten.errors, /^--json: cannot write \S+a\.json: no such file or folder/);
  assert.match(unwritten.output, /3 clients/);
});

Deno.test("help and wrong flags", async () => {
  const help = await run(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.output, /^Usage: tgi bench/);
  const wrong = await run(["--rounds", "0"]);
  assert.equal(wrong.code, 2);
  assert.match(
    wrong.errors,
    /^--rounds 0 cannot be used: it must be a whole number from 1 to 1000/,
  );
  const empty = await run(["--url", ""]);
  assert.match(empty.errors, /^--url "" cannot be used: it must be a text that is not empty/);
});
