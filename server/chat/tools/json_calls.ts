/** The machine under all formats that write calls as JSON. */

import { overlap } from "../overlap.ts";
import { type ChatDelta, DeltaList, type DeltaReader } from "../delta.ts";
import { CallObject, NamedCall, type OpenCall } from "./call_object.ts";

/** How a format writes its calls. */
export interface JsonCallFormat {
  /** What opens a call or a list of calls; null when calls have no mark. */
  readonly open: string | null;
  /** What closes it; null when nothing does. */
  readonly close: string | null;
  /** Calls may begin the text without a mark; they count only by the name of a given tool. */
  readonly bare: boolean;
  /** A call may be `name[ARGS]{…}` after the mark, besides an object with its name. */
  readonly named: boolean;
}

/** What may stand between calls. */
const SEPARATORS = /^[\s,;[\]]*/;

/** Longest name of a call before its arguments, with what stands between, UTF-16 units. */
const MAX_HEAD = 256;

/** What may stand before arguments: `name`, `name[ARGS]` or `name[CALL_ID]id[ARGS]`. */
const HEAD = /^([\w.-]+)(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*$/;

/**
 * Reads calls out of a turn. Text that turns out to be no call is content, and white space before
 * and after calls is nothing. A call that has begun stays one: where its JSON breaks off, it ends,
 * and what follows is read on.
 */
export class JsonCallReader implements DeltaReader {
  #state: "start" | "text" | "calls" | "head" | "value";
  /** Text whose meaning is open. */
  #held = "";
  /** What stands before the arguments, in `head`. */
  #head = "";
  /** In `value`. */
  #call: OpenCall | null = null;
  #isMarked = false;
  /** The mark, until a call follows it. */
  #opening = "";
  #afterCall = false;
  readonly #out = new DeltaList();

  constructor(readonly format: JsonCallFormat, readonly tools: ReadonlySet<string>) {
    this.#state = format.bare ? "start" : "text";
  }

  push(text: string): readonly ChatDelta[] {
    for (const unit of text.split("")) this.#read(unit);
    return this.#out.take();
  }

  end(): readonly ChatDelta[] {
    if (this.#state === "calls" && this.#afterCall) this.#held = "";
    if (this.#state !== "start" && this.#state !== "text") this.#giveUp();
    this.#content(this.#held);
    this.#held = "";
    return this.#out.take();
  }

  #read(unit: string): void {
    switch (this.#state) {
      case "start":
        return this.#start(unit);
      case "text":
        return this.#text(unit);
      case "calls":
        return this.#calls(unit);
      case "head":
        return this.#readHead(unit);
      case "value":
        return this.#call === null ? undefined : this.#value(this.#call, unit);
    }
  }

  /** Before the first character that is no white space. */
  #start(unit: string): void {
    if (unit.trim() === "") {
      this.#held += unit;
      return;
    }
    this.#state = unit === "{" || unit === "[" ? "calls" : "text";
    // A mark may begin like a list: only `text` can tell.
    if (this.format.open?.startsWith(unit)) this.#state = "text";
    this.#read(unit);
  }

  #text(unit: string): void {
    const { open } = this.format;
    const text = this.#held + unit;
    if (open !== null && text.endsWith(open)) {
      this.#content(text.slice(0, -open.length).trimEnd());
      return this.#mark();
    }
    const certain = text.slice(0, text.length - (open === null ? 0 : overlap(text, open)));
    const shown = certain.trimEnd();
    this.#held = text.slice(shown.length);
    this.#content(shown);
  }

  /** Between calls: white space, brackets and commas, then a mark or the next call. */
  #calls(unit: string): void {
    const text = this.#held + unit;
    const rest = text.replace(SEPARATORS, "");
    this.#held = text;
    if (rest === "") return;
    if (rest === "{") return this.#object(text.slice(0, -1));
    const { open, close, named } = this.format;
    if (close !== null && endsSeparated(text, close)) {
      this.#held = "";
      this.#state = "text";
    } else if (open !== null && endsSeparated(text, open)) {
      this.#mark();
    } else if (mayBecome(text, open) || mayBecome(text, close)) {
      return;
    } else if (named && this.#isMarked && /^[\w.-]+$/.test(rest)) {
      this.#held = "";
      this.#head = rest;
      this.#state = "head";
    } else {
      this.#leave(this.#opening + text);
    }
  }

  #readHead(unit: string): void {
    const name = unit === "{" ? HEAD.exec(this.#head)?.[1] : undefined;
    if (name !== undefined) {
      this.#head = "";
      return this.#begin(new NamedCall(name, this.#out));
    }
    this.#head += unit;
    if (unit === "{" || unit === "\n" || this.#head.length > MAX_HEAD) this.#giveUp();
  }

  #mark(): void {
    this.#held = "";
    this.#opening = this.format.open ?? "";
    this.#isMarked = true;
    this.#state = "calls";
  }

  /** Its opening brace stands behind `separators`. */
  #object(separators: string): void {
    this.#held = separators;
    this.#begin(new CallObject(this.tools, this.#isMarked, this.#out));
  }

  #begin(call: OpenCall): void {
    this.#call = call;
    this.#state = "value";
    this.#value(call, "{");
  }

  #value(call: OpenCall, unit: string): void {
    const progress = call.push(unit);
    if (!call.hasBegun) {
      this.#held += unit;
      if (progress !== "open") this.#giveUp();
      return;
    }
    this.#held = "";
    this.#opening = "";
    this.#afterCall = true;
    if (progress === "open") return;
    this.#state = "calls";
    if (progress === "broken") this.#read(unit);
  }

  /** What looked like a call is none: it is content, and so is what follows. */
  #giveUp(): void {
    const text = this.#opening + this.#head + this.#held;
    this.#head = "";
    this.#leave(text);
  }

  #leave(text: string): void {
    this.#opening = "";
    this.#isMarked = false;
    this.#state = "text";
    const kept = this.#afterCall ? text.replace(SEPARATORS, "") : text;
    const shown = kept.trimEnd();
    this.#content(shown);
    this.#held = kept.slice(shown.length);
  }

  #content(text: string): void {
    const shown = this.#afterCall ? text.trimStart() : text;
    if (shown === "") return;
    this.#afterCall = false;
    this.#out.text("content", shown);
  }
}

/** Whether `text` is `mark` after nothing but separators. */
function endsSeparated(text: string, mark: string): boolean {
  return text.endsWith(mark) && text.slice(0, -mark.length).replace(SEPARATORS, "") === "";
}

/** Whether `text` may become `mark`: separators, then its beginning. */
function mayBecome(text: string, mark: string | null): boolean {
  if (mark === null) return false;
  const length = overlap(text, mark);
  return length > 0 && text.slice(0, -length).replace(SEPARATORS, "") === "";
}
