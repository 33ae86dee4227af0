import assert from "node:assert/strict";
import { post, start } from "./harness.ts";

/** The message of a refused request, without TGI's prefix. */
async function refusal(body: unknown, path = "/generate"): Promise<string> {
  const { app, engine } = start();
  const response = await post(app, path, body);
  const { error, error_type } = await response.json();
  assert.equal(response.status, 422);
  assert.equal(error_type, "validation");
  assert.equal(engine.requests.filter(({ job }) => !job.inputs.includes("<reject>")).length, 0);
  assert.ok(error.startsWith("Input validation error: "), error);
  return error.slice("Input validation error: ".length);
}

/** Parameters, and what TGI says to them. */
const refused: readonly (readonly [Record<string, unknown>, string])[] = [
  [{ best_of: 2 }, "`best_of` != 1 is not allowed for this endpoint"],
  [{ temperature: 0 }, "`temperature` must be strictly positive"],
  [{ temperature: -1.5 }, "`temperature` must be strictly positive"],
  [{ temperature: 1e-46 }, "`temperature` must be strictly positive"],
  [{ repetition_penalty: 0 }, "`repetition_penalty` must be strictly positive"],
  [{ frequency_penalty: 2.1 }, "`frequency_penalty` must be >= -2.0 and <= 2.0"],
  [{ frequency_penalty: -2.1 }, "`frequency_penalty` must be >= -2.0 and <= 2.0"],
  [{ top_p: 0 }, "`top_p` must be > 0.0 and <= 1.0"],
  [{ top_p: 1.1 }, "`top_p` must be > 0.0 and <= 1.0"],
  [{ typical_p: 0 }, "`typical_p` must be > 0.0 and < 1.0"],
  [{ typical_p: 1 }, "`typical_p` must be > 0.0 and < 1.0"],
  [{ top_k: 0 }, "`top_k` must be strictly positive"],
  [{ top_k: -1 }, "`top_k` must be strictly positive"],
  [{ max_new_tokens: 0 }, "`max_new_tokens` must be strictly positive"],
  [{ stop: ["1", "2", "3", "4", "5"] }, "`stop` supports up to 4 stop sequences. Given: 5"],
  [{ top_n_tokens: 6 }, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"],
  [{ truncate: 0 }, "`truncate` must be strictly positive and less than 32. Given: 0"],
  [{ truncate: 33 }, "`truncate` must be strictly positive and less than 32. Given: 33"],
  [{ min_p: 1.1 }, "`min_p` must be >= 0.0 and <= 1.0"],
  [{ logit_bias: { "100": 1 } }, "`logit_bias` must name token ids below 100"],
  [{ logit_bias: { "1": 101 } }, "`logit_bias` must be >= -100.0 and <= 100.0"],
  [{ adapter_id: "x" }, "unknown adapter `x`: none is loaded, leave `adapter_id` out"],
  [
    { grammar: { type: "regex", value: 1 } },
    "grammar is not valid: the value of a regex grammar must be a text that is not empty",
  ],
];

for (const [parameters, message] of refused) {
  Deno.test(`${JSON.stringify(parameters)} is refused in TGI's words`, async () => {
    assert.equal(await refusal({ inputs: "a", parameters }), message);
  });
}

Deno.test("values on the bounds are accepted", async () => {
  const { app } = start();
  const accepted = [
    { best_of: 1 },
    { temperature: 1e-6 },
    { frequency_penalty: -2 },
    { frequency_penalty: 2 },
    { top_p: 1 },
    { top_p: 1e-6 },
    { typical_p: 0.999 },
    { top_k: 1 },
    { max_new_tokens: 1 },
    { stop: ["1", "2", "3", "4"] },
    { top_n_tokens: 5 },
    { truncate: 32 },
    { watermark: true },
    { seed: 0 },
    { min_p: 0 },
    { min_p: 1 },
    { logit_bias: { "99": -100 } },
    { grammar: { type: "regex", value: "a" } },
  ];
  for (const parameters of accepted) {
    const response = await post(app, "/generate", { inputs: "a", parameters });
    assert.equal(response.status, 200, JSON.stringify(parameters));
    await response.body?.cancel();
  }
});

Deno.test("empty inputs are refused, blanks are not", async () => {
  assert.equal(await refusal({ inputs: "" }), "`inputs` cannot be empty");
  const { app } = start();
  assert.equal((await post(app, "/generate", { inputs: " \n" })).status, 200);
});

Deno.test("the first rule that is broken wins, in TGI's order", async () => {
  const order = [
    "best_of",
    "temperature",
    "repetition_penalty",
    "frequency_penalty",
    "top_p",
    "typical_p",
    "top_k",
    "max_new_tokens",
    "stop",
    "top_n_tokens",
    "truncate",
    "min_p",
    "adapter_id",
    "grammar",
  ];
  const broken = new Map(refused.map(([parameters, message]) => {
    return [Object.keys(parameters)[0]!, { parameters, message }];
  }));
  for (let first = 0; first < order.length; first += 1) {
    const rest = order.slice(first).map((name) => broken.get(name)!);
    const parameters = Object.assign({}, ...rest.map((rule) => rule.parameters).reverse());
    assert.equal(await refusal({ inputs: "a", parameters }), rest[0]!.message);
  }
});

Deno.test("empty inputs come after the parameters and before truncate", async () => {
  assert.match(await refusal({ inputs: "", parameters: { top_n_tokens: 6 } }), /top_n_tokens/);
  assert.match(await refusal({ inputs: "", parameters: { truncate: 0 } }), /inputs/);
});

Deno.test("a stream refuses what only a whole answer can have", async () => {
  assert.equal(
    await refusal({ inputs: "a", parameters: { best_of: 2 } }, "/generate_stream"),
    "`best_of` != 1 is not supported when streaming tokens",
  );
  assert.equal(
    await refusal({ inputs: "a", parameters: { decoder_input_details: true } }, "/generate_stream"),
    "`decoder_input_details` == true is not supported when streaming tokens",
  );
});

Deno.test("a refusal by the core has the same form", async () => {
  assert.equal(
    await refusal({ inputs: "<reject>" }),
    "`inputs` must have less than 32 tokens. Given: 33",
  );
});
