import { equal, throws } from "node:assert/strict";
import { ValidationError } from "../../server/errors.ts";
import { pythonic } from "../../server/chat/tools/pythonic.ts";
import { strictGrammar } from "../../server/chat/tools/strict.ts";
import { piecesOf, whole as messageOf } from "../fakes/client_turns.ts";
import { FILE, fileText, SAMPLES, tools } from "./tool_grammars.ts";

Deno.test("the core's tests have the grammars of today", async () => {
  equal(await Deno.readTextFile(FILE), fileText());
});

Deno.test("every turn that a grammar allows is read as the calls that it has", () => {
  const names = new Set(tools.map(({ name }) => name));
  for (const { format, many, reasoning, whole } of SAMPLES) {
    const shape = { logprobs: false, tools: { format, names, forced: false, many }, reasoning };
    for (const [text, count] of whole) {
      const { message } = messageOf(piecesOf(shape, [text]));
      const calls: { arguments: string }[] = message.tool_calls ?? [];
      equal(calls.length, count, `${format.name}: ${text}`);
      for (const { arguments: given } of calls) equal(typeof JSON.parse(given), "object");
    }
  }
});

Deno.test("a strict tool that Python cannot call is refused with the reason", () => {
  const [tool] = tools;
  for (const parameters of [{ anyOf: [] }, { properties: { "a-b": {} } }]) {
    const strict = { ...tool!, parameters };
    throws(
      () => strictGrammar(pythonic, [strict], true, null),
      (error: unknown) =>
        error instanceof ValidationError && /get_weather.*letters, digits/.test(error.message),
    );
  }
});
