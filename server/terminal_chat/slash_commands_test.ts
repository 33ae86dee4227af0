import { deepEqual, ok } from "node:assert/strict";
import { readRequest, SLASH_COMMANDS, slashHelp } from "./slash_commands.ts";

Deno.test("a line is said, unless it begins with a slash", () => {
  deepEqual(readRequest("hello /exit"), { kind: "say", text: "hello /exit" });
  deepEqual(readRequest("//etc"), { kind: "say", text: "/etc" });
});

Deno.test("a command takes the rest of the text", () => {
  deepEqual(readRequest("/system Be brief.\nAlways."), {
    kind: "system",
    text: "Be brief.\nAlways.",
  });
  deepEqual(readRequest("/save  a.md "), { kind: "save", text: "a.md" });
  deepEqual(readRequest("/clear"), { kind: "clear", text: "" });
});

Deno.test("other names work, unknown ones are told", () => {
  deepEqual(readRequest("/quit"), { kind: "exit", text: "" });
  deepEqual(readRequest("/exot now"), { kind: "unknown", text: "/exot" });
});

Deno.test("the help names every command within 80 columns", () => {
  for (const name of Object.keys(SLASH_COMMANDS)) ok(slashHelp().includes(`/${name} `), name);
  ok(slashHelp().split("\n").every((line) => line.length <= 80));
});
