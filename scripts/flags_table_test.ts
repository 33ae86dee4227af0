import assert from "node:assert/strict";
import { ENTRIES } from "../server/options/command_line.ts";
import { flagsMarkdown, replaceBetween } from "./flags_table.ts";

Deno.test("every flag has one row of four cells", () => {
  const rows = flagsMarkdown().split("\n").filter((line) => /^\| [^F]/.test(line));
  assert.equal(rows.length, ENTRIES.length);
  for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 6, row);
});

Deno.test("a row names flag, variable, default and meaning", () => {
  assert.ok(
    flagsMarkdown().includes(
      "| `--max-concurrent-requests N` | `MAX_CONCURRENT_REQUESTS` | 128 | Requests that may be",
    ),
  );
});

Deno.test("only the text between the markers is replaced", () => {
  const document = "a\n<!-- flags:start -->\nold\n<!-- flags:end -->\nb\n";
  const once = replaceBetween(document, "new");
  assert.equal(once, "a\n<!-- flags:start -->\n\nnew\n\n<!-- flags:end -->\nb\n");
  assert.equal(replaceBetween(once, "new"), once);
  assert.throws(() => replaceBetween("no markers", "new"), /has no <!-- flags:start -->/);
});
