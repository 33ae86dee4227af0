import { equal, match, ok } from "node:assert/strict";
import { COMMAND_NAMES, COMMANDS } from "../../server/options/commands.ts";
import { openTerminal } from "./terminal.ts";
import { runInPipe } from "./pipe.ts";

Deno.test("the help of the program fits a screen of 80 columns and 24 rows", async () => {
  await using terminal = openTerminal(["--help"]);
  equal(await terminal.ended, 0);
  const lines = terminal.screen();
  ok(lines.length <= 24, `${lines.length} rows`);
  equal(lines.filter((line) => line.length > 80).length, 0);
  for (const name of COMMAND_NAMES) ok(lines.some((line) => line.startsWith(`  ${name} `)), name);
});

Deno.test("every command has its help, with its examples", async () => {
  const helps = await Promise.all(COMMAND_NAMES.map((name) => runInPipe([name, "--help"])));
  for (const [index, name] of COMMAND_NAMES.entries()) {
    const help = helps[index];
    equal(help?.code, 0);
    equal(help?.stderr, "");
    match(help?.stdout ?? "", new RegExp(`^Usage: tgi ${name} \\[flags\\]`));
    for (const example of COMMANDS[name].examples) ok(help?.stdout.includes(`  ${example}\n`));
  }
});

Deno.test("help names a command either way round", async () => {
  const [before, after] = await Promise.all([
    runInPipe(["help", "plan"]),
    runInPipe(["plan", "--help"]),
  ]);
  equal(before.stdout, after.stdout);
});

Deno.test("an unknown command or flag is one sentence with what may have been meant", async () => {
  const [command, flag, choice] = await Promise.all([
    runInPipe(["generat"]),
    runInPipe(["chat", "--temprature", "1"]),
    runInPipe(["models", "drop"]),
  ]);
  equal(command.code, 2);
  equal(
    command.stderr,
    "error: Unknown command 'generat' (Did you mean generate?) See --help.\n",
  );
  equal(flag.code, 2);
  equal(
    flag.stderr,
    "error: Unknown option '--temprature' (Did you mean --temperature?) See --help.\n",
  );
  equal(choice.code, 2);
  match(
    choice.stderr,
    /^error: .*'drop'.* Allowed choices are list, fetch, remove\. See --help\.\n$/,
  );
});

Deno.test("a link named text-generation-launcher takes TGI's command lines", async () => {
  const launcher = { shell: 'exec -a text-generation-launcher "$@"' };
  const help = await runInPipe(["--help"], launcher);
  match(help.stdout, /^Usage: tgi serve \[flags\]\n/);
  match(help.stdout, /--max-batch-prefill-tokens <N>/);
  const env = { TGI_PROGRAM: "/usr/bin/text-generation-launcher" };
  const named = await runInPipe(["generate"], { env });
  equal(named.code, 2);
  match(named.stderr, /ERROR Too many arguments/);
});

Deno.test("a full disk under the help is one sentence, a closed pipe none", async () => {
  const full = await runInPipe(["--help"], { shell: '"$@" > /dev/full' });
  equal(full.code, 1);
  match(full.stderr, /Cannot write to standard output: the disk is full; free some room/);
  const closed = await runInPipe(["serve", "--help"], { shell: '"$@" | true' });
  equal(closed.stderr, "");
});
