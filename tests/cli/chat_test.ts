import assert, { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { scratchFolder } from "../fakes/scratch.ts";
import { runInPipe } from "./pipe.ts";
import { Key, openTerminal } from "./terminal.ts";

const CHAT = ["chat", "--backend", "scripted", "--max-new-tokens", "5"];
const SPEED = /\[5 tokens, [\d.]+ tok\/s, first after \d\.\d\d s; \d+ of 8192 tokens used\]/;

function smollm(): string[] {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  const model = join(folder, "smollm2-135m-instruct-q4_1.gguf");
  return ["chat", "--backend", "cpu", "--model-id", model];
}

Deno.test("a chat greets, answers with its speed, and ends with /exit", async () => {
  await using terminal = openTerminal(CHAT);
  await terminal.shows("Chatting with the scripted backend, up to 8192 tokens; /help lists");
  await terminal.shows("This model has no chat template: the conversation is written as");
  await terminal.shows("> ");
  await terminal.press("Hello", Key.enter);
  await terminal.shows(SPEED);
  await terminal.press("/exit", Key.enter);
  equal(await terminal.ended, 0);
});

Deno.test("/help lists the commands, an unknown one is told", async () => {
  await using terminal = openTerminal(CHAT);
  await terminal.shows("> ");
  await terminal.press("/help", Key.enter);
  for (const name of ["/clear", "/system", "/regen", "/save", "/exit"]) await terminal.shows(name);
  await terminal.shows("> ");
  await terminal.press("/hlep", Key.enter);
  await terminal.shows("warning: /hlep is no command; /help lists them.");
  await terminal.shows("> ");
  await terminal.press(Key.ctrlD);
  equal(await terminal.ended, 0);
});

Deno.test("Ctrl-C stops the answer and not the chat; twice at the prompt it leaves", async () => {
  await using terminal = openTerminal([
    ...["chat", "--backend", "scripted", "--max-new-tokens", "4000"],
    ...["--scripted-step-micros", "20000"],
  ]);
  await terminal.shows("> ");
  await terminal.press("Hello", Key.enter);
  await terminal.shows(/Hello\s+\S\S/);
  await terminal.press(Key.ctrlC);
  await terminal.shows(/\[stopped; \d+ tokens?, /);
  await terminal.shows("> ");
  await terminal.press(Key.ctrlC);
  await terminal.shows("Ctrl-C again, Ctrl-D or /exit leaves.");
  await terminal.press(Key.ctrlC);
  equal(await terminal.ended, 0);
});

Deno.test("earlier lines come back with the arrow key, and several lines are one message", async () => {
  await using folder = await scratchFolder();
  const file = join(folder.path, "chat.md");
  await using terminal = openTerminal(CHAT);
  await terminal.shows("> ");
  await terminal.press('"""', Key.enter);
  await terminal.shows(". ");
  await terminal.press("one", Key.enter);
  await terminal.shows(". ");
  await terminal.press('two"""', Key.enter);
  await terminal.shows(SPEED);
  await terminal.shows("> ");
  await terminal.press("again", Key.enter);
  await terminal.shows(SPEED);
  await terminal.shows("> ");
  await terminal.press(Key.up, Key.enter);
  await terminal.shows(SPEED);
  await terminal.shows("> ");
  await terminal.press(`/save ${file}`, Key.enter);
  await terminal.shows(`Saved to ${file}.`);
  const saved = await Deno.readTextFile(file);
  ok(saved.startsWith("## user\n\none\ntwo\n\n## assistant\n\n"), saved);
  equal(saved.match(/^again$/gm)?.length, 2);
});

Deno.test("/system, /regen and /clear change what the model is asked", async () => {
  await using folder = await scratchFolder();
  const file = join(folder.path, "chat.md");
  const { code, stdout } = await runInPipe(CHAT, {
    stdin: `/system Be brief.\nHello\n/regen\n/save ${file}\n/clear\nHello\n/regen\n`,
  });
  equal(code, 0);
  const answers = stdout.split("\n").slice(0, -1);
  equal(new Set(answers).size, 1, stdout);
  equal(answers.length, 4);
  match(await Deno.readTextFile(file), /^## system\n\nBe brief\.\n\n## user\n\nHello\n\n## assis/);
});

Deno.test("through a pipe each line is a message and answers alone are written", async () => {
  const { code, stdout, stderr } = await runInPipe([...CHAT, "--quiet"], { stdin: "Hi\nHo\n" });
  equal(code, 0);
  equal(stderr, "");
  equal(stdout.split("\n").length, 3);
  ok(!stdout.includes(">") && !stdout.includes("tok/s"));
});

Deno.test("a conversation that is too long is told, and the chat goes on after /clear", async () => {
  const { code, stdout, stderr } = await runInPipe([...CHAT, "--max-total-tokens", "60"], {
    stdin: `Hi\n${"a long message ".repeat(10)}\n/clear\nHi\n`,
  });
  equal(code, 0);
  match(stderr, /warning: Input validation error: `inputs` .*; \/clear makes room\.\n/);
  const answers = stdout.split("\n");
  equal(answers.length, 3);
});

Deno.test("nothing to answer anew and a file that cannot be written are told", async () => {
  const { code, stderr } = await runInPipe(CHAT, {
    stdin: "/regen\n/save\n/save /nowhere/at/all.md\n",
  });
  equal(code, 0);
  match(stderr, /warning: There is no question to answer anew\.\n/);
  match(stderr, /warning: \/save needs the name of a file\.\n/);
  match(stderr, /warning: Cannot save to \/nowhere\/at\/all\.md: No such file/);
});

Deno.test("a reader that leaves ends a chat quietly, a full disk in one sentence", async () => {
  const [gone, full] = await Promise.all([
    runInPipe(CHAT, { stdin: "Hi\nHo\n", shell: '"$@" | true; echo "${PIPESTATUS[0]}"' }),
    runInPipe(CHAT, { stdin: "Hi\nHo\n", shell: '"$@" > /dev/full' }),
  ]);
  equal(gone.stdout, "0\n");
  ok(!gone.stderr.includes("error"), gone.stderr);
  equal(full.code, 1);
  match(full.stderr, /error: Cannot write to standard output: the disk is full/);
});

Deno.test("the model's own template is used, with the system message", async () => {
  const args = [...smollm(), "--max-new-tokens", "12", "--quiet"];
  const system = ["--system", "You are a helpful AI assistant named SmolLM."];
  const [plain, pirate] = await Promise.all([
    runInPipe([...args, ...system], { stdin: "What is the capital of France?\n" }),
    runInPipe([...args, "--system", "You are a pirate."], { stdin: "Say hello.\n" }),
  ]);
  equal(plain.stderr, "");
  match(plain.stdout, /^The capital of France is Paris\.?/);
  equal(pirate.code, 0);
  ok(!pirate.stdout.includes("<|im_"));
});
