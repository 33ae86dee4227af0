import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "./random.ts";
import { type Completed, RequestFailure } from "./request.ts";
import { runClosed, runOpen, type Sender } from "./round.ts";

const COMPLETED: Completed = {
  tokens: 2,
  endedEarly: false,
  firstTokenMillis: 1,
  betweenMillis: [1],
  endToEndMillis: 2,
};

/** A sender that counts: how many are open, were open at most, and were sent. */
class CountingSender implements Sender {
  readonly stop = new AbortController();
  open = 0;
  most = 0;
  sent = 0;
  ended = 0;

  constructor(readonly answer: (sent: number) => Promise<void>) {}

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  done(): void {
    this.ended += 1;
  }

  async send(): Promise<Completed> {
    this.open += 1;
    this.sent += 1;
    this.most = Math.max(this.most, this.open);
    try {
      await this.answer(this.sent);
    } finally {
      this.open -= 1;
    }
    return COMPLETED;
  }
}

const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

Deno.test("a closed loop has as many open requests as clients and sends all of them", async () => {
  const small = fc.integer({ min: 1, max: 6 });
  await fc.assert(
    fc.asyncProperty(small, small, async (clients, requests) => {
      const sender = new CountingSender(soon);
      const round = await runClosed(clients, requests, sender);
      assert.equal(round.completed.length, clients * requests);
      assert.equal(sender.most, clients);
      assert.equal(sender.ended, clients * requests);
    }),
    { numRuns: 10 },
  );
});

Deno.test("failures are counted by kind, and beyond a dozen kinds as others", async () => {
  const sender = new CountingSender((sent) => {
    const kind = sent > 10 ? `kind ${sent}` : "first kind";
    return Promise.reject(new RequestFailure(kind));
  });
  const { completed, errors } = await runClosed(1, 30, sender);
  assert.equal(completed.length, 0);
  assert.equal(errors.get("first kind"), 10);
  assert.equal(errors.get("kind 11"), 1);
  assert.equal(errors.get("others"), 9);
  assert.equal([...errors.values()].reduce((sum, count) => sum + count, 0), 30);
});

Deno.test("a closed loop that is called off ends, and what was open leaves no trace", async () => {
  const sender = new CountingSender(async (sent) => {
    if (sent === 5) sender.stop.abort();
    if (sent >= 5) throw new Error("called off");
    await soon();
  });
  const { completed, errors } = await runClosed(1, 100, sender);
  assert.equal(completed.length, 4);
  assert.equal(errors.size, 0);
});

Deno.test("an open loop sends as its seed says, whether or not answers come", async () => {
  const load = { rate: 400, durationMillis: 100, maxInFlight: 1000 };
  const sent: number[] = [];
  for (const seed of [3, 3, 4]) {
    const answers = Promise.withResolvers<void>();
    const sender = new CountingSender(() => answers.promise);
    setTimeout(answers.resolve, 150);
    const round = await runOpen(load, seededRandom(seed), sender);
    assert.equal(round.completed.length, sender.sent);
    assert.equal(sender.most, sender.sent);
    sent.push(sender.sent);
  }
  assert.equal(sent[0], sent[1]);
  assert.notEqual(sent[0], sent[2]);
});

Deno.test("an open loop sends nothing beyond its cap and says so", async () => {
  const load = { rate: 1000, durationMillis: 60, maxInFlight: 3 };
  const answers = Promise.withResolvers<void>();
  const sender = new CountingSender(() => answers.promise);
  setTimeout(answers.resolve, 100);
  const { completed, errors } = await runOpen(load, seededRandom(1), sender);
  assert.equal(sender.most, 3);
  assert.equal(completed.length, 3);
  assert.ok((errors.get("not sent: 3 requests were open") ?? 0) > 0);
  assert.equal(sender.ended, 3 + (errors.get("not sent: 3 requests were open") ?? 0));
});

Deno.test("an open loop that is called off waits for no further arrival", async () => {
  const sender = new CountingSender(soon);
  setTimeout(() => sender.stop.abort(), 20);
  const hours = { rate: 0.001, durationMillis: 1e7, maxInFlight: 1 };
  const { completed } = await runOpen(hours, seededRandom(1), sender);
  assert.equal(completed.length, 0);
});
