/** Whole messages out of lines: `"""` around several, or a backslash at the end of one. */

import type { LineInput, Typed } from "../terminal/line_input.ts";

const FENCE = '"""';
const PROMPT = "> ";
const MORE = ". ";

/** Asks for the next message. An interrupt inside a message of several lines throws it away. */
export async function nextMessage(input: LineInput): Promise<Typed> {
  const first = await input.next(PROMPT);
  if (first.kind !== "line") return first;
  const opening = first.text.trimStart();
  if (opening.startsWith(FENCE)) return await fenced(input, opening.slice(FENCE.length));
  return await continued(input, first.text);
}

async function fenced(input: LineInput, opening: string): Promise<Typed> {
  const lines: string[] = [];
  for (let line = opening;;) {
    const end = line.indexOf(FENCE);
    lines.push(end < 0 ? line : line.slice(0, end));
    if (end >= 0) break;
    const typed = await input.next(MORE);
    if (typed.kind === "interrupt") return typed;
    if (typed.kind === "end") break;
    line = typed.text;
  }
  return { kind: "line", text: lines.join("\n").replace(/^\n/, "").replace(/\n$/, "") };
}

async function continued(input: LineInput, first: string): Promise<Typed> {
  let text = first;
  while (text.endsWith("\\")) {
    const typed = await input.next(MORE);
    if (typed.kind === "interrupt") return typed;
    text = `${text.slice(0, -1)}\n${typed.kind === "line" ? typed.text : ""}`;
  }
  return { kind: "line", text };
}
