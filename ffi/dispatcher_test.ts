import { deepEqual, equal } from "node:assert/strict";
import { doneRecord } from "../tests/fakes/done_record.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { GeneratedRecord, RequestSink, StepRecord } from "./types.ts";

const TOKEN: GeneratedRecord = {
  index: 1,
  last: false,
  token: { id: 7, logprob: -1, special: false, text: "a" },
  top: [],
};
const { generatedText: _, ...ENDING } = doneRecord();

/** A sink that notes the names of its calls. */
function noting(calls: string[], overrides: Partial<RequestSink> = {}): RequestSink {
  return {
    accepted: () => calls.push("accepted"),
    prefill: () => calls.push("prefill"),
    token: () => calls.push("token"),
    done: ({ generatedText }) => calls.push(`done ${generatedText}`),
    failed: ({ kind }) => calls.push(`failed ${kind}`),
    flush: () => calls.push("flush"),
    ...overrides,
  };
}

function setUp() {
  const cancelled: number[] = [];
  const dispatcher = new Dispatcher((id) => cancelled.push(id));
  return { dispatcher, cancelled };
}

Deno.test("a sink is flushed once for all its records, and others not at all", () => {
  const { dispatcher } = setUp();
  const [busy, idle]: [string[], string[]] = [[], []];
  dispatcher.add(1, noting(busy));
  dispatcher.add(2, noting(idle));
  dispatcher.token(1, TOKEN);
  dispatcher.token(1, TOKEN);
  dispatcher.flush();
  dispatcher.flush();
  deepEqual(busy, ["token", "token", "flush"]);
  deepEqual(idle, []);
});

Deno.test("pieces of text are joined into the last record, which is flushed too", () => {
  const { dispatcher } = setUp();
  const calls: string[] = [];
  dispatcher.add(1, noting(calls));
  dispatcher.text(1, "some ");
  dispatcher.text(1, "text");
  dispatcher.done(1, ENDING);
  dispatcher.flush();
  deepEqual(calls, ["done some text", "flush"]);
  equal(dispatcher.has(1), false);
});

Deno.test("a cancelled request hears nothing more, not even the flush of this poll", () => {
  const { dispatcher, cancelled } = setUp();
  const calls: string[] = [];
  dispatcher.add(1, noting(calls));
  dispatcher.token(1, TOKEN);
  dispatcher.cancel(1);
  dispatcher.token(1, TOKEN);
  dispatcher.flush();
  deepEqual(calls, ["token"]);
  deepEqual(cancelled, [1]);
  equal(dispatcher.cancel(1), false);
});

Deno.test("a sink that throws ends its own request and no other", () => {
  const { dispatcher, cancelled } = setUp();
  const [errors, calls]: [unknown[], string[]] = [[], []];
  dispatcher.onError = (error) => errors.push(error);
  const broken = new Error("broken");
  const fail = () => {
    throw broken;
  };
  dispatcher.add(1, noting([], { token: fail }));
  dispatcher.add(2, noting([], { flush: fail }));
  dispatcher.add(3, noting(calls));
  for (const id of [1, 2, 3]) dispatcher.token(id, TOKEN);
  dispatcher.flush();
  deepEqual(errors, [broken, broken]);
  deepEqual(calls, ["token", "flush"]);
  deepEqual(cancelled, [1, 2]);
});

Deno.test("a step listener that throws does not stop the records behind it", () => {
  const { dispatcher } = setUp();
  const errors: unknown[] = [];
  dispatcher.onError = (error) => errors.push(error);
  dispatcher.onStep = () => {
    throw new Error("broken");
  };
  dispatcher.step({} as StepRecord);
  equal(errors.length, 1);
});

Deno.test("all open requests fail at once, even where a sink throws", () => {
  const { dispatcher } = setUp();
  const calls: string[] = [];
  const fail = () => {
    throw new Error("broken");
  };
  dispatcher.add(1, noting([], { failed: fail }));
  dispatcher.add(2, noting(calls));
  dispatcher.failAll({ kind: "incomplete", message: "" });
  deepEqual(calls, ["failed incomplete", "flush"]);
});
