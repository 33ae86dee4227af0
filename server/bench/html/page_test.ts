import assert from "node:assert/strict";
import fc from "fast-check";
import { reportOf, steadyRound } from "../../../tests/fakes/bench_report.ts";
import { comparisonPage, reportPage } from "./page.ts";

const REPORT = reportOf({
  1: [steadyRound(10)],
  64: [steadyRound(300, { ttft: 90 }), steadyRound(280)],
});

/** Whatever a server or a user says must be text, never markup. */
const HOSTILE = `<script>alert(1)</script>"'&</style><img src=x onerror=y>`;

function checkInert(page: string): void {
  assert.ok(!page.includes("<script"), "a script");
  assert.ok(!page.includes("<img"), "an image");
  assert.equal(page.split("</style>").length, 2);
}

Deno.test("a report needs nothing but itself", async () => {
  for (
    const page of [
      await reportPage(REPORT),
      await comparisonPage({ name: "a", report: REPORT }, { name: "b", report: REPORT }),
    ]
  ) {
    assert.match(page, /^<!doctype html>\s*<html lang="en">/);
    assert.doesNotMatch(page, /\b(?:src|href)=|url\(|@import/);
    assert.doesNotMatch(page, /NaN|undefined|\[object/);
    assert.match(page, /color-scheme: light dark/);
    checkInert(page);
  }
});

Deno.test("a report shows every load, its figures and its configuration", async () => {
  const page = await reportPage(REPORT);
  for (const text of ["1 client", "64 clients", "tokens/s", "TTFT p99, ms", "goodput, %"]) {
    assert.ok(page.includes(text), text);
  }
  assert.match(page, /<dt>maxNewTokens<\/dt>\s*<dd>5<\/dd>/);
  assert.equal(page.match(/<figure>/g)?.length, 4);
  assert.match(page, /64 clients, p99: 90\.0 ms/);
});

Deno.test("what comes from outside is escaped", async () => {
  const texts = fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE));
  await fc.assert(fc.asyncProperty(texts, texts, async (url, kind) => {
    const round = steadyRound(1, { errors: { [HOSTILE + kind]: 1 } });
    const report = reportOf({ 2: [round] }, { url: url + HOSTILE, promptFile: HOSTILE });
    checkInert(await reportPage({ ...report, client: HOSTILE, startedAt: HOSTILE }));
    const named = { name: HOSTILE + kind, report };
    checkInert(await comparisonPage(named, { name: "b", report: REPORT }));
  }));
  const page = await reportPage(reportOf({ 1: [steadyRound(1)] }, { url: `"<b>"` }));
  assert.match(page, /<h1>Benchmark of &quot;&lt;b&gt;&quot;<\/h1>/);
});

Deno.test("a report without any answer has no figures and still is a page", async () => {
  const errors = { "connection refused": 3 };
  const page = await reportPage({
    ...reportOf({ 1: [steadyRound(0, { errors })] }),
    interrupted: true,
  });
  assert.match(page, /3 × connection refused/);
  assert.match(page, /Interrupted/);
  assert.doesNotMatch(page, /NaN|Infinity/);
});

Deno.test("a comparison has both names, a ratio and a verdict for each figure", async () => {
  const slow = reportOf({ 64: [steadyRound(100)] });
  const page = await comparisonPage({ name: "peer", report: slow }, {
    name: "ours",
    report: REPORT,
  });
  assert.match(page, /<h1>ours against peer<\/h1>/);
  assert.match(page, /<td class="better">2\.80x<\/td>\s*<td class="better">better<\/td>/);
  assert.match(page, /only one run has 1 client/);
  assert.equal(page.match(/<figure>/g)?.length, 4);
});
