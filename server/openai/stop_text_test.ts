import { equal } from "node:assert/strict";
import fc from "fast-check";
import { StopText } from "./stop_text.ts";

function cut(parts: readonly string[], stops: readonly string[], include = false): string {
  const stop = new StopText(stops, include);
  const text = parts.map((part) => stop.push(part)).join("");
  return stop.stopped ? text : text + stop.end();
}

const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
  maxLength: 3,
});

Deno.test("the cut does not depend on how the text came", () => {
  fc.assert(
    fc.property(fc.array(letters), words, fc.boolean(), (parts, stops, include) => {
      equal(cut(parts, stops, include), cut([...parts.join("")], stops, include));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("the text ends before the first stop text in it, or whole", () => {
  fc.assert(fc.property(fc.array(letters), words, (parts, stops) => {
    const text = parts.join("");
    const places = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
    const shown = cut(parts, stops);
    equal(text.startsWith(shown), true);
    equal(stops.some((stop) => shown.includes(stop)), false);
    equal(shown === text, places.length === 0);
  }));
});

Deno.test("what may become a stop text waits, what cannot goes on", () => {
  const stop = new StopText(["END"], false);
  equal(stop.push("aE"), "a");
  equal(stop.push("N"), "");
  equal(stop.push("x"), "ENx");
  equal(stop.push("EN"), "");
  equal(stop.end(), "EN");
});
