/** Axes of a chart: where a value lies, and which values are marked. */

/** A mark on an axis. */
export interface Tick {
  /** 0 at the axis' start, 1 at its end. */
  readonly at: number;
  readonly label: string;
}

/** An axis. */
export interface Scale {
  /** 0 at the start, 1 at the end; values outside lie on the nearer of the two. */
  place(value: number): number;
  readonly ticks: readonly Tick[];
}

/** About as many marks as an axis has room for. */
const TICKS = 5;

/** Where all values are smaller than this the axis ends at 1. */
const LEAST_AXIS = 1e-6;

/** A linear axis is changed for a logarithmic one from this ratio of its values on. */
const LOG_FROM = 30;

/** Decades that a logarithmic axis shows at most. */
const MOST_DECADES = 4;

/** From 0 to the most of the values, rounded up to a mark. */
export function linearScale(values: readonly number[]): Scale {
  const most = Math.max(...values, 0);
  const step = roundStep((most > LEAST_AXIS ? most : 1) / TICKS);
  const end = Math.max(Math.ceil(most / step), 1) * step;
  const count = Math.round(end / step);
  const ticks = Array.from({ length: count + 1 }, (_, index) => ({
    at: index / count,
    label: tickLabel(index * step),
  }));
  return { place: (value) => clamp(value / end), ticks };
}

/** Logarithmic where the values lie far apart, else linear. */
export function latencyScale(values: readonly number[]): Scale {
  const above = values.filter((value) => value > LEAST_AXIS);
  const most = Math.max(...above);
  const least = Math.min(...above);
  if (above.length === 0 || most / least < LOG_FROM) return linearScale(values);
  const last = Math.ceil(Math.log10(most));
  const first = Math.max(Math.floor(Math.log10(least)), last - MOST_DECADES);
  const place = (value: number) => clamp((Math.log10(value) - first) / (last - first));
  const marks = last - first > 2 ? [1] : [1, 2, 5];
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
    .flatMap((decade) => marks.map((mark) => mark * decade))
    .filter((value) => value <= 10 ** last * 1.001)
    .map((value) => ({ at: place(value), label: tickLabel(value) }));
  return { place, ticks };
}

/** Percentiles by the share above them, so that each further nine takes as much room. */
export function percentScale(): Scale {
  const place = (percent: number) => clamp(-Math.log10(Math.max(1 - percent / 100, 1e-3)) / 3);
  const marks = [[0, "min"], [50, "p50"], [90, "p90"], [99, "p99"], [100, "max"]] as const;
  return { place, ticks: marks.map(([percent, label]) => ({ at: place(percent), label })) };
}

/** The next of 1, 2, 2.5, 5 times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 2.5, 5].find((each) => each * power >= step * 0.999) ?? 10;
  return factor * power;
}

function tickLabel(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US");
}

/** Within [0, 1]; the logarithm of zero lies at the start. */
function clamp(part: number): number {
  return Math.min(Math.max(part, 0), 1);
}
