/**
 * Loads a running server with streams and prints what its clients saw: `tgi bench`.
 *
 * Usage: deno task bench [--help]
 */

import { runBench } from "../server/commands/bench.ts";

if (import.meta.main) Deno.exit(await runBench(Deno.args));
