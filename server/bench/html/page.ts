/** The report as one page that needs nothing else. */

import { html, raw } from "hono/html";
import { shortNumber } from "../columns.ts";
import { compareReports, differences, type NamedReport, ratioText } from "../compare.ts";
import { FIGURE_NAMES, FIGURES } from "../figures.ts";
import { type BenchReport, type Cell, loadName } from "../report.ts";
import { remarks } from "../table.ts";
import { comparedPercentiles, percentileCharts, throughputCharts } from "./charts.ts";
import type { Markup } from "./line_chart.ts";
import { STYLE } from "./style.ts";

/** A page for one run. */
export async function reportPage(report: BenchReport): Promise<string> {
  const { cells, configuration } = report;
  const notes = cells.flatMap(remarks);
  return await page(
    `Benchmark of ${configuration.url}`,
    html`<header><h1>Benchmark of ${configuration.url}</h1>
      <p class="about">${about(report)}</p>
      ${report.interrupted ? html`<p class="warning">Interrupted: not every round ran.</p>` : ""}
      ${notes.map((note) => html`<p class="warning">${note}</p>`)}</header>
    <section class="tiles" aria-label="At a glance">${tiles(cells)}</section>
    <h2>Latency</h2>
    <section class="charts">${throughputCharts([{ name: "", report }])}${
      percentileCharts(cells)
    }</section>
    <p class="note">A point is a load, beside it the number of clients or the rate.</p>
    <h2>Figures</h2>
    ${figuresTable(cells)}
    <p class="note">Medians of the rounds; below them the least and the most. Goodput is the share
      of requests with the first token within ${configuration.sloTtft} ms and
      ${configuration.sloItl} ms between tokens, on average.</p>
    <h2>Configuration</h2>
    ${definitions({ ...configuration, client: report.client, startedAt: report.startedAt })}`,
  );
}

/** A page for two runs side by side. */
export async function comparisonPage(base: NamedReport, other: NamedReport): Promise<string> {
  const title = `${other.name} against ${base.name}`;
  const differing = differences(base.report, other.report);
  return await page(
    title,
    html`
      <header>
        <h1>${title}</h1>
        <p class="about">${base.name}: ${about(base.report)}</p>
        <p class="about">${other.name}: ${about(other.report)}</p>
      </header>
          <h2>Latency</h2>
          <section class="charts">${throughputCharts([base, other])}${comparedPercentiles(
            base,
            other,
          )}</section>
          <h2>Figures</h2>
          ${comparisonTable(base, other)}
          <p class="note">Medians of the rounds; better and worse only where the rounds of the two runs do
            not overlap.</p>
          ${differing.length === 0 ? "" : html`
            <h2>Differences</h2>
            <ul>${differing.map((line) => html`<li>${line}</li>`)}</ul>
          `}
    `,
  );
}

async function page(title: string, content: Markup): Promise<string> {
  const document = await html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title}</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <main>${content}</main>
      </body>
    </html>
  `;
  return document.toString().trimStart();
}

function about({ startedAt, client, configuration }: BenchReport): string {
  const prompts = configuration.promptFile ?? `about ${configuration.promptTokens} tokens`;
  return `${configuration.url}, ${configuration.api}, prompts: ${prompts}, ${configuration.maxNewTokens} new tokens; ` +
    `${startedAt}; client: ${client}`;
}

/** The best that any load gave. */
function tiles(cells: readonly Cell[]): Markup[] {
  const names = ["tokensPerSecond", "ttftP50", "interTokenP50", "goodput"] as const;
  return names.flatMap((name) => {
    const { better, label, unit } = FIGURES[name];
    const sorted = cells
      .flatMap(({ load, figures }) => {
        const value = figures[name]?.median;
        return value === undefined ? [] : [{ load, value }];
      })
      .sort((a, b) => better === "higher" ? b.value - a.value : a.value - b.value);
    const [best] = sorted;
    if (best === undefined) return [];
    return [
      html`<div class="tile"><b>${shortNumber(best.value)} <small>${unit}</small></b>
        <span>best ${label}, with ${loadName(best.load)}</span></div>`,
    ];
  });
}

function figuresTable(cells: readonly Cell[]): Markup {
  const names = FIGURE_NAMES.filter((name) => cells.some(({ figures }) => figures[name] !== null));
  return html`
    <div class="scroll">
      <table>
        <thead>
          <tr><th scope="col">Load</th>${names.map((name) =>
            html`<th scope="col">${withUnit(name)}</th>`
          )}<th scope="col">ok</th><th scope="col">failed</th></tr>
        </thead>
        <tbody>${cells.map(({ load, figures, ok, failed }) =>
          html`<tr><th scope="row">${loadName(load)}</th>${
            names.map((name) => {
              const found = figures[name];
              if (found === null) return html`<td>-</td>`;
              return html`<td>${shortNumber(found.median)}<small>${shortNumber(found.min)} – ${
                shortNumber(found.max)
              }</small></td>`;
            })
          }<td>${ok}</td><td>${failed}</td></tr>`
        )}</tbody>
      </table>
    </div>
  `;
}

function comparisonTable(base: NamedReport, other: NamedReport): Markup {
  const rows = compareReports(base.report, other.report);
  return html`
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Load</th>
            <th scope="col" class="left">Figure</th>
            <th scope="col">${base.name}</th>
            <th scope="col">${other.name}</th>
            <th scope="col">Ratio</th>
            <th scope="col"></th>
          </tr>
        </thead>
        <tbody>${rows.map(({ load, figure, base, other, ratio, verdict }, index) =>
          html`
            <tr>
              <th scope="row">${rows[index - 1]?.load === load ? "" : load}</th>
              <td class="left">${withUnit(figure)}</td>
              <td>${shortNumber(base.median)}</td>
              <td>${shortNumber(other.median)}</td>
              <td class="${verdict}">${ratioText(ratio)}</td>
              <td class="${verdict}">${verdict === "same" ? "overlaps" : verdict}</td>
            </tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

function withUnit(name: (typeof FIGURE_NAMES)[number]): string {
  const { label, unit } = FIGURES[name];
  return unit === "" ? label : `${label}, ${unit}`;
}

function definitions(entries: BenchReport["configuration"]): Markup {
  return html`<dl>${
    Object.entries(entries).map(([key, value]) =>
      html`
        <dt>${key}</dt>
        <dd>${value ?? "none"}</dd>
      `
    )
  }</dl>`;
}
