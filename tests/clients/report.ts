/** Runs a client's checks and reads their report. */

import { z } from "zod";
import { runQuietly } from "../../scripts/packaging/quiet.ts";
import type { CommandLine } from "../../scripts/steps.ts";
import { generous } from "../e2e/generous.ts";
import { KEY, type Servers } from "./servers.ts";

const Report = z.strictObject({
  checks: z.array(z.strictObject({ name: z.string(), error: z.string().nullable() })).nonempty(),
});

/** One thing that was tried, and what went wrong. */
export type Check = z.infer<typeof Report>["checks"][number];

/** Longest run of one client's checks, ms. */
const LIMIT_MILLIS = 300_000;

/** Runs a program of checks against the servers. Throws when it leaves no report. */
export async function reportOf(program: CommandLine, servers: Servers): Promise<Check[]> {
  const env = {
    MODEL_URL: servers.model.url,
    MODEL_KEY: KEY,
    SCRIPTED_URL: servers.scripted.url,
  };
  const run = runQuietly({ ...program, env });
  const { success, stdout, lastWords } = await generous(run, "the report", LIMIT_MILLIS);
  if (!success) throw new Error(`${program.args.join(" ")} left no report: ${lastWords}`);
  const { checks } = Report.parse(JSON.parse(stdout));
  return checks;
}
