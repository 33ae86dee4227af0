import assert, { equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { Engine } from "../../ffi/engine.ts";
import { openLibrary } from "../../ffi/library.ts";
import { renderChat } from "../../ffi/render.ts";
import { surveyConfig, surveyMachine } from "../../ffi/survey.ts";
import type { EngineConfig } from "../../ffi/types.ts";
import { engineConfig } from "../../server/commands/parts.ts";
import { TemplateError } from "../../server/errors.ts";
import { readSettings } from "../../server/options.ts";
import { openEngine } from "./support.ts";

/** The default model in int8, with little memory. */
function smollm(): EngineConfig {
  const folder = Deno.env.get("TGI_TEST_MODELS");
  assert.ok(folder, "TGI_TEST_MODELS is not set; deno task models prints the folder");
  const args = ["--backend", "cpu", "--max-total-tokens", "256", "--max-concurrent-requests", "1"];
  const settings = readSettings(args, () => undefined, "1.2.3");
  assert.ok("values" in settings);
  return engineConfig(settings.values, {
    path: join(folder, "smollm2-135m-instruct-q4_1.gguf"),
  });
}

Deno.test("a conversation is written by the model's own template", async () => {
  const engine = await Engine.open(smollm());
  await using _engine = { [Symbol.asyncDispose]: () => engine.close() };
  match(engine.info.chatTemplateText ?? "", /<\|im_start\|>/);
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "é".repeat(40_000) },
  ];
  const head = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n";
  const body = `${head}${"é".repeat(40_000)}<|im_end|>\n`;
  equal(await renderChat(engine, { messages, add_generation_prompt: false }), body);
  equal(
    await renderChat(engine, { messages, add_generation_prompt: true }),
    `${body}<|im_start|>assistant\n`,
  );
});

Deno.test("without a template a conversation fails in TGI's words, and the engine goes on", async () => {
  await using engine = await openEngine();
  const conversation = { messages: [], add_generation_prompt: true };
  await rejects(
    renderChat(engine, conversation),
    (error) =>
      error instanceof TemplateError && error.message === "Template error: template not found",
  );
  const gone = AbortSignal.abort(new Error("gone"));
  await rejects(renderChat(engine, conversation, gone), /^Error: gone$/);
  equal(engine.alive, true);
});

Deno.test("a survey tells what an engine then takes, and the machine what it computes on", async () => {
  const config = smollm();
  const library = openLibrary();
  const survey = await surveyConfig(library, config);
  const machine = surveyMachine(library);
  library.close();
  const engine = await Engine.open(config);
  const { info } = engine;
  await engine.close();
  equal(survey.problem, null);
  equal(survey.isa, info.isa);
  ok([...machine.cpuIsas, machine.candleIsa].includes(info.isa));
  equal(survey.maxBatchTotalTokens, info.maxBatchTotalTokens);
  equal(survey.plan.weightsBytes, info.plan.weightsBytes);
});
