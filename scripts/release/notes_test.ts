import assert from "node:assert/strict";
import { ROOT } from "../steps.ts";
import { notesOf, UNRELEASED } from "./notes.ts";

const CHANGELOG = `# Changelog

## Unreleased

## [1.1.0] - 2026-02-01

### Added

- Two.

## 1.0.0

- One.
`;

Deno.test("notes are what stands between two headings, however those are written", () => {
  assert.equal(notesOf(CHANGELOG, "1.1.0"), "### Added\n\n- Two.\n");
  assert.equal(notesOf(CHANGELOG, "1.0.0"), "- One.\n");
});

Deno.test("a version without notes is no release", () => {
  assert.throws(() => notesOf(CHANGELOG, "2.0.0"), /no heading "## 2\.0\.0"/);
  assert.throws(() => notesOf(CHANGELOG, UNRELEASED), /is empty/);
});

Deno.test("the changelog has notes for what comes next", async () => {
  assert.match(notesOf(await Deno.readTextFile(`${ROOT}CHANGELOG.md`), UNRELEASED), /^### /m);
});
