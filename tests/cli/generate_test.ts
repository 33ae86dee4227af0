import assert, { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { startScripted } from "../e2e/server.ts";
import { runInPipe, startInPipe } from "./pipe.ts";
import { Key, openTerminal } from "./terminal.ts";

const SCRIPTED = ["generate", "--backend", "scripted"];
/** A token every 20 ms, for minutes. */
const ENDLESS = ["--max-new-tokens", "4000", "--scripted-step-micros", "20000"];

/** The folder with the models of the tests. */
function testModels(): string {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  return folder;
}

Deno.test("in a pipe exactly the text comes, and nothing else", async () => {
  const args = [...SCRIPTED, "--max-new-tokens", "6"];
  const [argument, stdin, dash] = await Promise.all([
    runInPipe([...args, "Hello"]),
    runInPipe(args, { stdin: "Hello\n" }),
    runInPipe([...args, "-"], { stdin: "Hello" }),
  ]);
  equal(argument.code, 0);
  equal(argument.stderr, "");
  ok(argument.stdout.length > 6 && !argument.stdout.includes("\n"));
  equal(stdin.stdout, argument.stdout);
  equal(dash.stdout, argument.stdout);
});

Deno.test("the model continues a prompt as the server does", async () => {
  const model = join(testModels(), "smollm2-135m-instruct-q4_1.gguf");
  const { code, stdout } = await runInPipe([
    ...["generate", "--model-id", model, "--max-new-tokens", "3", "The capital of France is"],
  ]);
  equal(code, 0);
  equal(stdout, " Paris.\n");
});

Deno.test("an adapter answers: the first, or the one that is named", async () => {
  const fixtures = join(import.meta.dirname ?? "", "../fixtures");
  const adapters = ["every", "attention"].map((name) =>
    `${name}=${join(fixtures, "tiny-llama-adapters", name)}`
  );
  const args = ["generate", "--model-id", join(fixtures, "tiny-llama"), "--max-new-tokens", "12"];
  const loaded = [...args, "--lora-adapters", adapters.join()];
  const [bare, first, named, unknown] = await Promise.all([
    runInPipe([...args, "The river"]),
    runInPipe([...loaded, "The river"]),
    runInPipe([...loaded, "--adapter-id", "attention", "The river"]),
    runInPipe([...loaded, "--adapter-id", "polite", "The river"]),
  ]);
  equal(new Set([bare, first, named].map(({ stdout }) => stdout)).size, 3);
  equal(unknown.code, 2);
  match(unknown.stderr, /--adapter-id polite: no such adapter; .* are: every, attention\./);
});

Deno.test("--json is one object in the words of the API", async () => {
  const { stdout } = await runInPipe([
    ...[...SCRIPTED, "Hello", "--json", "--max-new-tokens", "5"],
    ...["--seed", "18446744073709551615", "--sample"],
  ]);
  match(stdout, /"seed":18446744073709551615,/);
  const answer = JSON.parse(stdout);
  equal(answer.generated_tokens, 5);
  equal(answer.finish_reason, "length");
});

Deno.test("a stop sequence ends the text, and the same seed gives the same text", async () => {
  const args = [
    ...SCRIPTED,
    "Hello",
    "--max-new-tokens",
    "20",
    "--temperature",
    "2",
    "--seed",
    "3",
  ];
  const [one, two] = await Promise.all([runInPipe(args), runInPipe(args)]);
  equal(one.stdout, two.stdout);
  const stop = /[a-z]{2}/.exec(one.stdout)?.[0] ?? "";
  const { stdout } = await runInPipe([...args, "--stop", stop]);
  ok(stdout.includes(stop) && stdout.length < one.stdout.length, `${stdout} of ${one.stdout}`);
  ok(one.stdout.startsWith(stdout));
});

Deno.test("tokens are written as they come, and SIGINT ends with what there is", async () => {
  await using child = startInPipe([...SCRIPTED, "Hello", ...ENDLESS]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  ok(((await reader.read()).value?.length ?? 0) < 200);
  child.kill("SIGINT");
  while (!(await reader.read()).done);
  equal((await child.status).code, 130);
  equal(await new Response(child.stderr).text(), "");
});

Deno.test("a reader that leaves ends it quietly", async () => {
  const { stderr, stdout } = await runInPipe([...SCRIPTED, "Hello", ...ENDLESS], {
    shell: '"$@" | head -c 3; echo " ${PIPESTATUS[0]}"',
  });
  equal(stderr, "");
  match(stdout, / 0\n$/);
});

Deno.test("a full disk is one sentence and exit code 1", async () => {
  const { code, stderr } = await runInPipe([...SCRIPTED, "Hello"], { shell: '"$@" > /dev/full' });
  equal(code, 1);
  equal(
    stderr,
    "error: Cannot write to standard output: the disk is full; free some room, or write " +
      "elsewhere.\n",
  );
});

Deno.test("a prompt that is too long is told in TGI's words", async () => {
  const { code, stderr } = await runInPipe([...SCRIPTED, "--max-total-tokens", "8"], {
    stdin: "a prompt of far too many tokens",
  });
  equal(code, 1);
  match(stderr, /^error: Input validation error: `inputs` must have less than 7 tokens\. Given: /);
});

Deno.test("a running server answers with the same text, under its key", async () => {
  await using server = await startScripted(["--api-key", "secret"]);
  const args = ["Hello", "--max-new-tokens", "6"];
  const [local, remote, refused] = await Promise.all([
    runInPipe([...SCRIPTED, ...args]),
    runInPipe(["generate", "--url", server.url, "--api-key", "secret", ...args]),
    runInPipe(["generate", "--url", server.url, ...args]),
  ]);
  equal(remote.stderr, "");
  equal(remote.stdout, local.stdout);
  equal(refused.code, 1);
  match(refused.stderr, /^error: Cannot generate by the server at http:\S+: 401 /);
});

Deno.test("a server that does not answer, or no address, is one sentence", async () => {
  const [silent, none, other] = await Promise.all([
    runInPipe(["generate", "--url", "http://127.0.0.1:1", "Hello"]),
    runInPipe(["generate", "--url", "nonsense", "Hello"]),
    runInPipe(["generate", "--url", "ftp://localhost", "Hello"]),
  ]);
  equal(silent.code, 1);
  equal(
    silent.stderr,
    "error: Cannot generate by the server at http://127.0.0.1:1: it does not answer; check " +
      "--url and that the server runs.\n",
  );
  match(none.stderr, /^error: Cannot generate by the server at nonsense: it is no address; give/);
  match(other.stderr, /^error: .* at ftp:\/\/localhost: it is no address; give/);
});

Deno.test("a terminal gets the text, a line break and the speed", async () => {
  await using terminal = openTerminal([...SCRIPTED, "Hello", "--max-new-tokens", "6"]);
  equal(await terminal.ended, 0);
  const lines = terminal.screen();
  equal(lines.length, 3);
  match(lines[1] ?? "", /^6 tokens, [\d.]+ tok\/s, first after \d\.\d\d s$/);
  // deno-lint-ignore no-control-regex
  ok(!/\x1b\[\d+m/.test(terminal.bytes()));
});

Deno.test("a terminal without NO_COLOR gets colours, with --quiet the text alone", async () => {
  const args = [...SCRIPTED, "Hello", "--max-new-tokens", "2"];
  await using colours = openTerminal(args, { NO_COLOR: "" });
  await using quiet = openTerminal([...args, "--quiet"], { NO_COLOR: "" });
  await Promise.all([colours.ended, quiet.ended]);
  ok(colours.bytes().includes("\x1b[2m2 tokens"));
  equal(quiet.screen().length, 2);
});

Deno.test("a terminal without a prompt is told how to give one", async () => {
  await using terminal = openTerminal(SCRIPTED);
  equal(await terminal.ended, 2);
  match(terminal.screen().join(" "), /^error: Cannot generate without a prompt: give it as an/);
});

Deno.test("Ctrl-C in a terminal stops the text", async () => {
  await using terminal = openTerminal([...SCRIPTED, "Hello", ...ENDLESS]);
  await terminal.shows(/\S\S\S/);
  await terminal.press(Key.ctrlC);
  equal(await terminal.ended, 130);
  match(terminal.screen().join("\n"), /\d+ tokens, [\d.]+ tok\/s/);
});

Deno.test("Ctrl-C stops the text of a server, too, and frees its sequence", async () => {
  await using server = await startScripted(["--scripted-step-micros", "20000"]);
  const args = ["generate", "--url", server.url, "Hello", "--max-new-tokens", "4000"];
  await using terminal = openTerminal(args);
  await terminal.shows(/\S\S\S/);
  await terminal.press(Key.ctrlC);
  equal(await terminal.ended, 130);
});
