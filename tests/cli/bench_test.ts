import { equal, match, ok } from "node:assert/strict";
import { startScripted } from "../e2e/server.ts";
import { runInPipe } from "./pipe.ts";
import { openTerminal } from "./terminal.ts";

const SMALL = ["--clients", "2", "--requests", "2", "--rounds", "1", "--max-new-tokens", "4"];

Deno.test("on a terminal the table stands where the bar was, in a pipe there is no bar", async () => {
  await using server = await startScripted();
  await using terminal = openTerminal(["bench", "--url", server.url, ...SMALL]);
  equal(await terminal.ended, 0);
  const screen = terminal.screen().join("\n");
  match(screen, /tokens\/s +req\/s/);
  match(screen, /^2 clients +[\d,.]+ /m);
  ok(terminal.bytes().includes("\r") || terminal.bytes().includes("\x1b["));
  const piped = await runInPipe(["bench", "--url", server.url, ...SMALL]);
  equal(piped.code, 0);
  match(piped.stdout, /^2 clients +[\d,.]+ /m);
  ok(!piped.stdout.includes("\x1b"));
});
