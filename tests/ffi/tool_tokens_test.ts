import { deepEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { Engine } from "../../ffi/engine.ts";
import { CoreTokenizer } from "../../ffi/render.ts";
import { sampleTurns, tools as names } from "../fakes/sample_turns.ts";
import { piecesOf, streamed, whole } from "../fakes/client_turns.ts";
import { scripted } from "./support.ts";

Deno.test("calls cut into a model's tokens, and at each of them, are streamed as whole", async () => {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  const modelPath = join(folder, "smollm2-135m-instruct-q4_1.gguf");
  const engine = await Engine.open(scripted({ backend: "cpu", modelPath, maxTotalTokens: 512 }));
  await using _engine = { [Symbol.asyncDispose]: () => engine.close() };
  const tokenizer = new CoreTokenizer(engine);
  let cuts = 0;
  for (const [format, given, { content, calls }] of sampleTurns) {
    const texts = (await tokenizer.tokenize(given, false)).map(({ text }) => text);
    if (texts.join("") !== given) continue;
    const shape = {
      logprobs: false,
      tools: { format, names, forced: false, many: true },
      reasoning: null,
    };
    const cutAt = (cut: number) => [texts.slice(0, cut).join(""), texts.slice(cut).join("")];
    const ways = [texts, ...texts.map((_, cut) => cutAt(cut))];
    for (const parts of ways) {
      const pieces = piecesOf(shape, parts);
      const { message } = whole(pieces);
      deepEqual(streamed(pieces), whole(pieces));
      deepEqual(message.content ?? "", content);
      deepEqual((message.tool_calls ?? []).map(Object.values), calls);
      cuts += parts.length - 1;
    }
  }
  ok(cuts > 1000, `${cuts} cuts`);
});
