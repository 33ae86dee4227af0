import { deepEqual, throws } from "node:assert/strict";
import { Grammar, toJobGrammar } from "./grammar.ts";

const schema = { type: "object", properties: { a: { type: "string" } } };

const read: readonly (readonly [unknown, unknown])[] = [
  [{ type: "json", value: schema }, { type: "json_schema", value: schema }],
  [
    { type: "json", value: JSON.stringify(schema) },
    { type: "json_schema", value: JSON.stringify(schema) },
  ],
  [{ type: "json_object", value: schema }, { type: "json_schema", value: schema }],
  [{ type: "json_object" }, { type: "json_object" }],
  [
    { type: "json", value: { properties: {} } },
    { type: "json_schema", value: { type: "object", properties: {} } },
  ],
  [
    { type: "json", value: ' {"properties":{}}' },
    { type: "json_schema", value: '{"type":"object","properties":{}}' },
  ],
  [{ type: "json_schema", value: { name: "n", schema } }, { type: "json_schema", value: schema }],
  [{ type: "regex", value: "a+" }, { type: "regex", value: "a+" }],
  [{ type: "lark", value: 'start: "a"' }, { type: "lark", value: 'start: "a"' }],
];

for (const [given, job] of read) {
  Deno.test(`${JSON.stringify(given).slice(0, 50)} is read as TGI reads it`, () => {
    deepEqual(toJobGrammar(Grammar.parse(given)), job);
  });
}

Deno.test("a value that does not fit its type is refused in TGI's words", () => {
  for (
    const given of [
      { type: "regex", value: "" },
      { type: "lark" },
      { type: "json", value: "{" },
      { type: "json", value: [1] },
      { type: "json_schema", value: 3 },
    ]
  ) {
    throws(() => toJobGrammar(Grammar.parse(given)), /^ValidationError: .*grammar is not valid: /);
  }
});
