/** A line chart as SVG that stands in a page; its colours are the page's style. */

import { html } from "hono/html";
import type { Scale } from "./scale.ts";

/** Text that is escaped already. */
export type Markup = ReturnType<typeof html>;

/** A point, in the axes' units. */
export interface Point {
  readonly x: number;
  readonly y: number;
  /** What a pointer over it reads. */
  readonly title: string;
  /** Stands beside it always. */
  readonly label?: string;
}

/** A line. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Which of the page's colours, from 0 on. */
  readonly colour: number;
  readonly dashed?: boolean;
}

/** What is drawn. */
export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly series: readonly Series[];
  /** Are the points marked? */
  readonly dots: boolean;
}

/** Colours that the page's style has. */
const COLOURS = 6;

const WIDTH = 560;
const HEIGHT = 300;
const AREA = { left: 56, right: WIDTH - 20, top: 20, bottom: HEIGHT - 46 };

/** The figure with its legend. */
export function lineChart(chart: LineChart): Markup {
  const description = `${chart.title}: ${chart.yLabel} over ${chart.xLabel}`;
  return html`
    <figure>
      <figcaption>${chart.title}</figcaption>
      <ul class="legend">${chart.series.map((series) =>
        html`<li class="${colourClass(series)}"><svg viewBox="0 0 22 8" aria-hidden="true"><path
        class="line${dashClass(series)}" d="M1 4H21"/></svg>${series.name}</li>`
      )}</ul>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">
          ${grid(chart)}
          ${chart.series.map((series) => line(series, chart))}
        </svg>
    </figure>
  `;
}

function grid({ x, y, xLabel, yLabel }: LineChart): Markup {
  const middle = (AREA.top + AREA.bottom) / 2;
  return html`
    ${y.ticks.map(({ at, label }) =>
      html`
        <path class="grid" d="M${AREA.left} ${down(at)}H${AREA.right}" />
        <text class="tick end" x="${AREA.left - 8}" y="${down(at)}" dy="4">${label}</text>
      `
    )}${x.ticks.map(({ at, label }) =>
      html`
        <path class="mark" d="M${across(at)} ${AREA.bottom}v5" />
        <text class="tick middle" x="${across(at)}" y="${AREA.bottom + 18}">${label}</text>
      `
    )}
      <path class="axis" d="M${AREA.left} ${AREA.bottom}H${AREA.right}" />
      <text class="name middle" x="${(AREA.left + AREA.right) / 2}" y="${HEIGHT -
        8}">${xLabel}</text>
      <text class="name middle" x="14" y="${middle}"
      transform="rotate(-90 14 ${middle})">${yLabel}</text>
  `;
}

function line(series: Series, { x, y, dots }: LineChart): Markup {
  const placed = series.points.map((point) => ({
    ...point,
    left: across(x.place(point.x)),
    top: down(y.place(point.y)),
    above: down(y.place(point.y), -9),
  }));
  const path = placed.map(({ left, top }, index) => `${index === 0 ? "M" : "L"}${left} ${top}`);
  return html`<g class="${colourClass(series)}"><path class="line${dashClass(series)}"
    d="${path.join("")}"/>${
    placed.map(({ left, top, above, title, label }) =>
      html`
        <circle class="${dots ? "dot" : "hover"}" cx="${left}" cy="${top}" r="${dots ? 4 : 7}">
          <title>${title}</title>
        </circle>${label === undefined
          ? ""
          : html`<text class="tick middle" x="${left}" y="${above}">${label}</text>`}
      `
    )
  }</g>`;
}

function colourClass({ colour }: Series): string {
  return `colour${colour % COLOURS}`;
}

function dashClass({ dashed }: Series): string {
  return dashed ? " dashed" : "";
}

function across(part: number): string {
  return (AREA.left + part * (AREA.right - AREA.left)).toFixed(1);
}

function down(part: number, shift = 0): string {
  return (AREA.bottom - part * (AREA.bottom - AREA.top) + shift).toFixed(1);
}
