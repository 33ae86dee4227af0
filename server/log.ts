/**
 * The log: lines for people on stderr, or JSON objects with the keys of TGI's subscriber
 * (`timestamp`, `level`, `message`, `target`, then the event's own fields).
 */

import { configure, type LogRecord } from "@logtape/logtape";

/** How the log looks and from which level on. */
export interface LogOptions {
  readonly jsonOutput: boolean;
  /** Bare messages, for commands that a person waits for; else each line has time and level. */
  readonly plain?: boolean;
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error";
}

/** Category under which all of the server logs. */
export const LOG_CATEGORY = "tgi";

/** Writes one finished line, without its line break. */
export type LineWriter = (line: string) => void;

/** Starts the log of this process; a second call replaces the first. */
export async function startLog(
  options: LogOptions,
  write: LineWriter = writeToStderr,
): Promise<void> {
  const format = options.jsonOutput ? jsonLine : options.plain ? plainLine : humanLine;
  await configure({
    reset: true,
    sinks: { lines: (record) => write(format(record)) },
    loggers: [
      {
        category: [LOG_CATEGORY],
        sinks: ["lines"],
        lowestLevel: options.logLevel === "warn" ? "warning" : options.logLevel,
      },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
}

/** `2026-01-31T12:00:00.000Z  INFO message key=value`. */
function humanLine(record: LogRecord): string {
  const fields = Object.entries(record.properties).map(([key, value]) => ` ${key}=${plain(value)}`);
  return `${timestamp(record)} ${tgiLevel(record).padStart(5)} ${text(record)}${fields.join("")}`;
}

/** `message`, or `warning: message`, `error: message`. */
function plainLine(record: LogRecord): string {
  const prefix = record.level === "info" ? "" : `${tgiLevel(record).toLowerCase()}: `;
  return `${prefix.replace("warn:", "warning:")}${text(record)}`;
}

/** One JSON object; a field cannot replace one of TGI's four keys. */
function jsonLine(record: LogRecord): string {
  return JSON.stringify({
    timestamp: timestamp(record),
    level: tgiLevel(record),
    message: text(record),
    target: record.category.join("::"),
    ...Object.fromEntries(
      Object.entries(record.properties).filter(([key]) => !TGI_KEYS.has(key)),
    ),
  }, (_key, value) => typeof value === "bigint" ? String(value) : value);
}

const TGI_KEYS = new Set(["timestamp", "level", "message", "target"]);

function timestamp(record: LogRecord): string {
  return new Date(record.timestamp).toISOString();
}

/** tracing's names of the levels. */
function tgiLevel(record: LogRecord): string {
  if (record.level === "warning") return "WARN";
  return record.level === "fatal" ? "ERROR" : record.level.toUpperCase();
}

function text(record: LogRecord): string {
  return record.message.map(plain).join("");
}

/** One line, also where the value has several. */
function plain(value: unknown): string {
  const text = value instanceof Error ? value.message : String(value);
  return text.replace(/\s*\n\s*/g, " ");
}

const ENCODER = new TextEncoder();

/** A closed stderr must not end the server. */
function writeToStderr(line: string): void {
  try {
    const bytes = ENCODER.encode(`${line}\n`);
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads the log any more; serving goes on.
  }
}
