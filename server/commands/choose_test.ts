import { deepEqual, throws } from "node:assert/strict";
import { chooseCommand } from "./choose.ts";

Deno.test("without a command the flags are those of serve", () => {
  deepEqual(chooseCommand(["--port", "3000"], "tgi"), {
    command: "serve",
    args: ["--port", "3000"],
  });
  deepEqual(chooseCommand([], "tgi"), { command: "serve", args: [] });
});

Deno.test("the first word is the command", () => {
  deepEqual(chooseCommand(["generate", "hello", "--quiet"], "tgi"), {
    command: "generate",
    args: ["hello", "--quiet"],
  });
});

Deno.test("help is that of the program or of a command", () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    deepEqual(chooseCommand(args, "tgi"), { command: "help" });
  }
  deepEqual(chooseCommand(["help", "chat"], "tgi"), { command: "chat", args: ["--help"] });
});

Deno.test("under the launcher's name everything is serve's", () => {
  deepEqual(chooseCommand(["--help"], "/usr/bin/text-generation-launcher"), {
    command: "serve",
    args: ["--help"],
  });
});

Deno.test("an unknown command is told with what may have been meant", () => {
  throws(
    () => chooseCommand(["generat"], "tgi"),
    /^StartError: Unknown command 'generat' \(Did you mean generate\?\) See --help\.$/,
  );
  throws(() => chooseCommand(["xyzzy"], "tgi"), /Unknown command 'xyzzy'\. See --help\.$/);
});
