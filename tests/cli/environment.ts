/** What every test of the command line starts the program with. */

import { join } from "node:path";

/** Deno's own cache stays where it is, also where a test moves the models' cache. */
export function baseEnvironment(): Record<string, string> {
  const home = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/root", ".cache");
  return {
    NO_COLOR: "1",
    HOSTNAME: "",
    DENO_DIR: Deno.env.get("DENO_DIR") || join(home, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
  };
}
