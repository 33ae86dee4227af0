import { equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Key, openTerminal } from "./terminal.ts";

const SHORT_COMMANDS = [
  ["doctor", "--backend", "scripted", "--port", "0"],
  ["completions", "bash"],
  ["plan", "--backend", "scripted"],
  ["models", "list"],
  ["bench", "--url", "http://127.0.0.1:9"],
  ["--help"],
];

for (const command of SHORT_COMMANDS) {
  Deno.test(`Ctrl-C while tgi ${command[0]} starts ends it`, async () => {
    await using terminal = openTerminal(command);
    await terminal.started;
    // Time for the shell to give its place to the program, which takes several times as long to load.
    await delay(30);
    await terminal.press(Key.ctrlC);
    equal(await terminal.ended, 130);
  });
}
