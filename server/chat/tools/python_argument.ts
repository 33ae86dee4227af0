/** Arguments of Python calls, literals all, to JSON. */

/** Deepest nesting of a literal. */
const MAX_DEPTH = 64;

/** Python's words for JSON's. */
const WORDS = new Map([
  ["True", "true"],
  ["False", "false"],
  ["None", "null"],
  ["true", "true"],
  ["false", "false"],
  ["null", "null"],
]);

/** `key=value` as a member of a JSON object; null for anything else. */
export function readArgument(text: string): string | null {
  try {
    return new ArgumentParser(text).argument();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Recursive descent; throws a SyntaxError where the text is no argument. */
class ArgumentParser {
  #at = 0;

  constructor(readonly text: string) {}

  argument(): string {
    const key = this.#match(/[A-Za-z_]\w*/y);
    this.#expect("=");
    const value = this.#value(0);
    this.#blanks();
    if (this.#at < this.text.length) throw new SyntaxError("text after the value");
    return `${JSON.stringify(key)}:${value}`;
  }

  /** A literal as JSON text. */
  #value(depth: number): string {
    if (depth > MAX_DEPTH) throw new SyntaxError("nested too deeply");
    this.#blanks();
    const first = this.text[this.#at] ?? "";
    if (first === '"' || first === "'") return JSON.stringify(this.#string(first));
    if (first === "[" || first === "(") {
      this.#at += 1;
      return `[${this.#items(first === "[" ? "]" : ")", () => this.#value(depth + 1)).join(",")}]`;
    }
    if (first === "{") {
      this.#at += 1;
      return `{${this.#items("}", () => this.#entry(depth)).join(",")}}`;
    }
    if (/[-+.\d]/.test(first)) return this.#number();
    const word = WORDS.get(this.#match(/[A-Za-z]+/y));
    if (word === undefined) throw new SyntaxError("an unknown word");
    return word;
  }

  #entry(depth: number): string {
    const key = this.#value(depth + 1);
    this.#expect(":");
    const value = this.#value(depth + 1);
    return `${key.startsWith('"') ? key : JSON.stringify(key)}:${value}`;
  }

  /** Digits stay as they are where JSON has them so, too. */
  #number(): string {
    const digits = this.#match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y);
    return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(digits) ? digits : String(Number(digits));
  }

  #string(quote: string): string {
    let value = "";
    for (this.#at += 1; this.text[this.#at] !== quote; this.#at += 1) {
      const unit = this.text[this.#at];
      if (unit === undefined) throw new SyntaxError("a string without end");
      value += unit === "\\" ? this.#escape() : unit;
    }
    this.#at += 1;
    return value;
  }

  /** The character of an escape; the place is left on its last unit. */
  #escape(): string {
    this.#at += 1;
    const kind = this.text[this.#at] ?? "";
    const digits = { x: 2, u: 4, U: 8 }[kind];
    if (digits !== undefined) {
      const code = this.text.slice(this.#at + 1, this.#at + 1 + digits);
      const point = /^[0-9a-fA-F]+$/.test(code) && code.length === digits
        ? parseInt(code, 16)
        : NaN;
      if (!(point <= 0x10ffff)) throw new SyntaxError("an escape without its digits");
      this.#at += digits;
      return String.fromCodePoint(point);
    }
    const plain = {
      n: "\n",
      t: "\t",
      r: "\r",
      b: "\b",
      f: "\f",
      "\\": "\\",
      "'": "'",
      '"': '"',
      "\n": "",
    }[kind];
    return plain ?? `\\${kind}`;
  }

  #items<Item>(end: string, read: () => Item): Item[] {
    const items: Item[] = [];
    for (;;) {
      this.#blanks();
      if (this.text[this.#at] === end) break;
      items.push(read());
      this.#blanks();
      if (this.text[this.#at] !== ",") break;
      this.#at += 1;
    }
    this.#expect(end);
    return items;
  }

  #expect(unit: string): void {
    this.#blanks();
    if (this.text[this.#at] !== unit) throw new SyntaxError(`no ${unit}`);
    this.#at += 1;
  }

  #match(pattern: RegExp): string {
    this.#blanks();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) throw new SyntaxError(`no ${pattern.source}`);
    this.#at += found.length;
    return found;
  }

  #blanks(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at += 1;
  }
}
