/** Lists of Python calls whose arguments keep to schemas, as a grammar. */

import { ValidationError } from "../../errors.ts";
import { isObject, type JsonObject } from "../messages.ts";
import { toolDefinitions } from "./call_schema.ts";
import type { Tool, TurnGrammar } from "./format.ts";
import { FREE_RULES } from "./strict.ts";

/** What Python takes for the name of an argument. */
const NAME = /^[A-Za-z_]\w*$/;

/** Rules, and the schemas that they use. */
interface Rules {
  readonly lines: string[];
  readonly schemas: JsonObject[];
}

/**
 * `[name(key=value), …]`, or a text that begins with no bracket. Arguments come in the order of
 * their properties, their values as JSON, which the reader takes as well as Python's literals.
 * Throws a {@link ValidationError} for a strict tool whose schema names no properties.
 */
export function pythonicGrammar(tools: readonly Tool[], many: boolean): TurnGrammar {
  const calls = tools.map((_, index) => `call${index}`).join(" | ");
  const list = `"[" call${many ? ' (", " call)*' : ""} "]"`;
  const lines = [`turn: FREE | GAP? ${list}`, `call: ${calls}`, FREE_RULES];
  const rules: Rules = { lines, schemas: [] };
  const $defs = toolDefinitions(tools);
  tools.forEach((tool, index) => addCall(rules, tool, index, $defs));
  return { lark: lines.join("\n"), schemas: rules.schemas, marks: [] };
}

function addCall(rules: Rules, tool: Tool, index: number, $defs: JsonObject): void {
  const place = `call${index}`;
  const open = JSON.stringify(`${tool.name}(`);
  if (!tool.strict) {
    const value = addSchema(rules, {});
    const pair = `/[A-Za-z_][A-Za-z0-9_]{0,63}=/ ${value}`;
    rules.lines.push(`${place}: ${open} (${pair} (", " ${pair})*)? ")"`);
    return;
  }
  const properties = propertiesOf(tool);
  const required = new Set(Array.isArray(tool.parameters.required) ? tool.parameters.required : []);
  rules.lines.push(`${place}: ${open} ${place}_first0 ")"`);
  properties.forEach((name, at) => {
    const path = name.replaceAll("~", "~0").replaceAll("/", "~1");
    const value = addSchema(rules, { $ref: `#/$defs/tool${index}/properties/${path}`, $defs });
    const pair = `${JSON.stringify(`${name}=`)} ${value} ${place}_next${at + 1}`;
    const skip = (state: string) => required.has(name) ? "" : ` | ${place}_${state}${at + 1}`;
    rules.lines.push(`${place}_first${at}: ${pair}${skip("first")}`);
    rules.lines.push(`${place}_next${at}: ", " ${pair}${skip("next")}`);
  });
  for (const state of ["first", "next"]) {
    rules.lines.push(`${place}_${state}${properties.length}: ""`);
  }
}

function addSchema({ schemas }: Rules, schema: JsonObject): string {
  schemas.push(schema);
  return `@schema${schemas.length - 1}`;
}

function propertiesOf({ name, parameters }: Tool): readonly string[] {
  const { properties } = parameters;
  const names = isObject(properties) ? Object.keys(properties) : [];
  const isPlain = !["$ref", "anyOf", "oneOf", "allOf"].some((key) => key in parameters);
  if (isPlain && names.every((name) => NAME.test(name))) return names;
  throw ValidationError.ofParam(
    "tools",
    `The model calls functions as Python does: \`${name}\` can only be strict with a schema of ` +
      "`properties` whose names have letters, digits and `_`",
  );
}
