import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY, type LogOptions, startLog } from "./log.ts";

const log = getLogger([LOG_CATEGORY, "test"]);

async function linesOf(options: LogOptions, speak: () => void): Promise<string[]> {
  const lines: string[] = [];
  await startLog(options, (line) => lines.push(line));
  speak();
  return lines;
}

Deno.test("a line for people has time, level, message and fields", async () => {
  const [line] = await linesOf({ jsonOutput: false, logLevel: "info" }, () => {
    log.warn("Slow reader", { id: 7 });
  });
  assert.match(line ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}WARN Slow reader id=7$/);
});

Deno.test("a message of several lines stays one line, braces stay braces", async () => {
  const [line] = await linesOf({ jsonOutput: false, logLevel: "info" }, () => {
    log.error`${'one {"a":1}\n  two'}`;
  });
  assert.match(line ?? "", /ERROR one \{"a":1\} two$/);
});

Deno.test("a JSON line has TGI's keys first, then the fields", async () => {
  const [line] = await linesOf({ jsonOutput: true, logLevel: "info" }, () => {
    log.info("Success", { seed: 18446744073709551615n, level: "forged" });
  });
  const { timestamp, ...rest } = JSON.parse(line ?? "");
  assert.ok(!Number.isNaN(Date.parse(timestamp)));
  assert.deepEqual(rest, {
    level: "INFO",
    message: "Success",
    target: "tgi::test",
    seed: "18446744073709551615",
  });
});

Deno.test("lines below the level are left out", async () => {
  const lines = await linesOf({ jsonOutput: false, logLevel: "warn" }, () => {
    log.info("no");
    log.warn("yes");
    log.error("yes");
  });
  assert.equal(lines.length, 2);
});
