import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { TemplateError, ValidationError } from "../errors.ts";
import { cutAtMark, markLast } from "./continued.ts";
import type { JsonObject } from "./messages.ts";

/** What transformers makes of conversations to go on with (`scripts/chat_templates/build.py`). */
const fixtures = new URL("../../tests/fixtures/chat_templates/", import.meta.url);

interface Case {
  readonly messages: readonly JsonObject[];
}

interface Outcome {
  readonly text?: string;
  readonly error?: string;
}

type Outcomes = Readonly<Record<string, Readonly<Record<string, Outcome>>>>;

async function read<T>(name: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(new URL(name, fixtures)));
}

/** The prompt to go on with, when the template writes `prompt` for what is marked. */
function goOn(text: string, prompt: (marked: string) => string): string {
  const continued = markLast([{ role: "assistant", content: text }]);
  return cutAtMark(prompt(String(continued.messages[0]?.content)), continued);
}

Deno.test("every template goes on with the last message as transformers does", async () => {
  const cases = await read<Record<string, Case>>("cases.json");
  const rendered = await read<Outcomes>("expected.json");
  const { cases: continued, expected } = await read<
    { cases: Record<string, Case>; expected: Outcomes }
  >("continued.json");
  let compared = 0;
  for (const [template, outcomes] of Object.entries(expected)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      const { messages } = continued[name] ?? { messages: [] };
      const marked = cases[`continued, ${name}`];
      // Both at once are refused before anything is rendered; the rest is no text of an assistant.
      if (name === "prompt too" || ["of the user", "no text", "null"].includes(name)) continue;
      ok(marked);
      const last = markLast(messages);
      deepEqual(last.messages, marked.messages);
      const { text: prompt } = rendered[template]?.[`continued, ${name}`] ?? {};
      const place = `${template}, ${name}`;
      if (outcome.text !== undefined) {
        ok(prompt !== undefined, place);
        equal(cutAtMark(prompt, last), outcome.text, place);
      } else if (prompt !== undefined) {
        throws(() => cutAtMark(prompt, last), TemplateError, place);
      }
      compared++;
    }
  }
  equal(compared, 25 * 9);
});

Deno.test("only a turn of the assistant that has text can be gone on with", () => {
  equal(markLast([{ role: "assistant", content: "a" }]).text, "a");
  for (const last of [{ role: "user", content: "a" }, { role: "assistant", content: " " }]) {
    throws(() => markLast([last]), ValidationError);
  }
  throws(() => markLast([]), /continue_final_message/);
});

Deno.test("a prompt is cut after the last text, white space as the template shows it", () => {
  equal(goOn("say a", (text) => `<u>say a<a>${text}</a>`), "<u>say a<a>say a");
  equal(goOn("say ", (text) => `<a>${text}</a>`), "<a>say ");
  equal(goOn(" say ", (text) => `<a>${text.trim()}</a>`), "<a>say");
  equal(goOn("say", (text) => `<a>${text}</a> say say`), "<a>say");
  for (const prompt of ["nothing", "say"]) throws(() => goOn("say", () => prompt), TemplateError);
});
