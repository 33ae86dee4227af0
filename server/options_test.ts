import assert from "node:assert/strict";
import fc from "fast-check";
import { StartError } from "./errors.ts";
import { ENTRIES } from "./options/command_line.ts";
import { type CommandName, COMMANDS } from "./options/commands.ts";
import { type Flag, kebab, variable } from "./options/flag.ts";
import { FLAGS } from "./options/table.ts";
import { readSettings, type Settings } from "./options.ts";

function read(args: readonly string[], environment: Record<string, string> = {}): Settings {
  const settings = readSettings(args, (name) => environment[name], "1.2.3");
  assert.ok("values" in settings);
  return settings;
}

function refusal(args: readonly string[], environment: Record<string, string> = {}): string {
  try {
    read(args, environment);
  } catch (error) {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 2);
    assert.ok(!error.message.includes("\n"));
    return error.message;
  }
  throw new Error(`accepted: ${args.join(" ")}`);
}

Deno.test("without flags TGI's defaults hold, on 127.0.0.1", () => {
  const { values, warnings } = read([]);
  assert.equal(values.hostname, "127.0.0.1");
  assert.equal(values.port, 3000);
  assert.equal(values.maxConcurrentRequests, 128);
  assert.equal(values.maxBestOf, 2);
  assert.equal(values.maxStopSequences, 4);
  assert.equal(values.maxTopNTokens, 5);
  assert.equal(values.payloadLimit, 2_000_000);
  assert.equal(values.gracefulTerminationTimeout, 90);
  assert.equal(values.maxTotalTokens, null);
  assert.deepEqual(warnings, []);
});

Deno.test("a flag wins over its variable, a variable over the default", () => {
  assert.equal(read([], { PORT: "80" }).values.port, 80);
  assert.equal(read(["-p", "81"], { PORT: "80" }).values.port, 81);
  assert.equal(read([], { PORT: "" }).values.port, 3000);
});

Deno.test("a repeatable flag gathers its values", () => {
  const { values } = read(["--cors-allow-origin", "http://a", "--cors-allow-origin", "http://b"]);
  assert.deepEqual(values.corsAllowOrigin, ["http://a", "http://b"]);
  assert.deepEqual(read([], { CORS_ALLOW_ORIGIN: "*" }).values.corsAllowOrigin, ["*"]);
});

Deno.test("switches that change answers are off unless given, and none is said to be without effect", () => {
  const switches = ["disableGrammarSupport", "strict", "streamErrorsAsEvents"] as const;
  for (const name of switches) {
    assert.equal(read([]).values[name], false);
    const { values, warnings } = read([`--${kebab(name)}`]);
    assert.deepEqual([values[name], warnings], [true, []]);
  }
});

Deno.test("numbers are read strictly", () => {
  for (const given of ["abc", "-1", "1.5", "0x10", "1e3", " 1", "65536", "", "９"]) {
    assert.equal(
      refusal([`--port=${given}`]),
      `--port ${
        given || '""'
      } cannot be used: it must be a whole number from 0 to 65535. See --help.`,
    );
  }
  assert.equal(
    refusal([], { MAX_BEST_OF: "zero" }),
    "MAX_BEST_OF=zero cannot be used: it must be a whole number from 1 to 64. See --help.",
  );
});

Deno.test("a whole number is accepted exactly when it lies in the range", () => {
  fc.assert(fc.property(fc.nat(200_000), (number) => {
    if (number <= 65_535) assert.equal(read(["--port", String(number)]).values.port, number);
    else refusal(["--port", String(number)]);
  }));
});

Deno.test("no argument list crashes the parser", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...ENTRIES.map(([name]) => `--${kebab(name)}`)),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 5 }), (args) => {
    try {
      readSettings(args, () => undefined, "1.2.3");
    } catch (error) {
      assert.ok(error instanceof StartError, String(error));
    }
  }));
});

Deno.test("an unknown flag, a missing value and a stray word are sentences", () => {
  assert.equal(
    refusal(["--prot", "1"]),
    "Unknown option '--prot' (Did you mean --port?) See --help.",
  );
  assert.match(refusal(["--port"]), /argument missing\. See --help\.$/);
  assert.match(refusal(["serve"]), /^Too many arguments\. .* See --help\.$/);
});

Deno.test("both names of the input limit at once are refused", () => {
  assert.equal(read(["--max-input-length", "7"]).values.maxInputTokens, 7);
  assert.match(
    refusal(["--max-input-tokens", "7", "--max-input-length", "8"]),
    /^Both `max_input_tokens` \(7\) and `max_input_length` \(8\) are set/,
  );
});

Deno.test("limits that contradict each other are refused in TGI's words", () => {
  assert.match(
    refusal(["--max-input-tokens", "8", "--max-total-tokens", "8"]),
    /^`max_input_tokens` must be < `max_total_tokens`\. /,
  );
  assert.match(
    refusal(["--max-batch-prefill-tokens", "9", "--max-batch-total-tokens", "8"]),
    /^`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`\. Given: 9 and 8/,
  );
  assert.match(
    refusal(["--max-total-tokens", "9", "--max-batch-total-tokens", "8"]),
    /^`max_total_tokens` must be <= `max_batch_total_tokens`\. Given: 9 and 8/,
  );
});

Deno.test("every ignored flag warns with one line, and only when it is given", () => {
  const ignored = ENTRIES.filter(([, flag]) => flag.ignored);
  assert.equal(ignored.length, 24);
  for (const [name, flag] of ignored) {
    const args = flag.placeholder === null ? [`--${kebab(name)}`] : [`--${kebab(name)}`, "1"];
    const { warnings } = read(args);
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0]?.startsWith(`--${kebab(name)} has no effect here: `));
  }
});

Deno.test("an ignored variable warns under its own name", () => {
  assert.equal(
    read([], { NUM_SHARD: "2" }).warnings[0],
    "NUM_SHARD has no effect here: One process serves the model; there are no shards.",
  );
});

Deno.test("weights are held as stored unless one of --dtype and --quantize says otherwise", () => {
  assert.deepEqual(read(["--dtype", "bfloat16"]).warnings, []);
  assert.deepEqual(read(["--quantize", "q4_0"]).warnings, []);
  assert.match(read([], { QUANTIZE: "eetq" }).warnings[0] ?? "", /^--quantize eetq is for GPUs: /);
  assert.match(
    refusal(["--dtype", "float16", "--quantize", "q8_0"]),
    /^Only 1 can be set between `dtype` and `quantize`, .* Given: float16 and q8_0; /,
  );
  assert.match(refusal(["--quantize", "exl2"]), /^--quantize exl2 cannot be used: /);
  refusal(["--dtype", "int8"]);
});

Deno.test("a GPU is named with or without its number, and has every number format", () => {
  for (const device of ["cuda", "cuda:0", "cuda:15"]) {
    const { values, warnings } = read(["--device", device, "--dtype", "bfloat16"]);
    assert.deepEqual([values.device, values.dtype, warnings], [device, "bfloat16", []]);
  }
  for (const device of ["gpu", "cuda:", "cuda:x", "cpu:0", "cuda:1000"]) {
    assert.equal(
      refusal(["--device", device]),
      `--device ${device} cannot be used: it must be cpu, cuda or cuda:N. See --help.`,
    );
  }
});

Deno.test("a GPU computes with cuda or candle, and with nothing else", () => {
  const place = (args: string[], variables = {}) => {
    const { backend, device } = read(args, variables).values;
    return [backend, device];
  };
  assert.deepEqual(place([]), ["cpu", "cpu"]);
  assert.deepEqual(place(["--device", "cuda"]), ["cuda", "cuda"]);
  assert.deepEqual(place(["--backend", "cuda"]), ["cuda", "cuda"]);
  assert.deepEqual(place(["--backend", "candle"], { DEVICE: "cuda:1" }), ["candle", "cuda:1"]);
  assert.equal(
    refusal(["--backend", "cuda", "--device", "cpu"]),
    "--backend cuda computes on a GPU, not on --device cpu: give --device cuda, or --backend cpu.",
  );
  assert.equal(
    refusal(["--backend", "cpu"], { DEVICE: "cuda:1" }),
    "DEVICE cuda:1 needs --backend cuda or candle, not cpu: give one of these, or --device cpu.",
  );
  assert.match(refusal(["--backend=scripted", "--device=cuda"]), /^--device cuda needs --backend /);
});

Deno.test("who named a value is known, and a default has no name", () => {
  const settings = read(["--port", "1"], { DEVICE: "cpu" });
  const names = (["port", "device", "hostname"] as const).map((name) => settings.givenBy(name));
  assert.deepEqual(names, ["--port", "DEVICE", null]);
});

Deno.test("TGI's formats of the KV cache are accepted with a warning, unknown ones are not", () => {
  assert.deepEqual(read(["--kv-cache-dtype", "int8"]).warnings, []);
  for (const format of ["fp8_e4m3fn", "fp8_e5m2"]) {
    const [warning] = read([], { KV_CACHE_DTYPE: format }).warnings;
    assert.match(warning ?? "", new RegExp(`^KV_CACHE_DTYPE ${format} has no effect here`));
  }
  refusal(["--kv-cache-dtype", "int3"]);
});

Deno.test("a key comes as a flag or as a variable, and is never empty", () => {
  assert.deepEqual(read(["--api-key", "a", "--api-key=b"]).values.apiKey, ["a", "b"]);
  assert.deepEqual(read([], { API_KEY: "secret" }).values.apiKey, ["secret"]);
  assert.deepEqual(read([]).values.apiKey, []);
  assert.equal(read([], { API_KEY_FILE: "/keys" }).values.apiKeyFile, "/keys");
  assert.match(refusal(["--api-key", ""]), /^--api-key "" cannot be used/);
});

Deno.test("prefix caching is switched off by the flag or by TGI's variable", () => {
  assert.equal(read([]).values.prefixCaching, true);
  assert.equal(read(["--disable-prefix-caching"]).values.prefixCaching, false);
  for (const off of ["0", "false", "False", ""]) {
    assert.equal(read([], { PREFIX_CACHING: off }).values.prefixCaching, false);
  }
  assert.equal(read([], { PREFIX_CACHING: "1" }).values.prefixCaching, true);
  refusal([], { PREFIX_CACHING: "perhaps" });
});

Deno.test("HOSTNAME with a machine's name is passed over with a warning", () => {
  const named = read([], { HOSTNAME: "build-7" });
  assert.equal(named.values.hostname, "127.0.0.1");
  assert.match(named.warnings[0] ?? "", /^HOSTNAME=build-7 is no address/);
  assert.equal(read([], { HOSTNAME: "0.0.0.0" }).values.hostname, "0.0.0.0");
  assert.equal(read([], { HOSTNAME: "::1" }).values.hostname, "::1");
  assert.equal(read(["--hostname", "localhost"]).values.hostname, "localhost");
});

Deno.test("LOG_LEVEL takes TGI's filters", () => {
  assert.equal(read([], { LOG_LEVEL: "DEBUG" }).values.logLevel, "debug");
  assert.equal(read([], { LOG_LEVEL: "tower=info,warn" }).values.logLevel, "warn");
  const ofOneModule = { LOG_LEVEL: "text_generation_router=debug" };
  assert.equal(read([], ofOneModule).values.logLevel, "debug");
  refusal([], { LOG_LEVEL: "loud" });
});

Deno.test("--help of each command names its flags with their variables, --version the version", () => {
  for (const [command, { flags }] of Object.entries(COMMANDS)) {
    const help = readSettings(["--help"], () => undefined, "1.2.3", command as CommandName);
    assert.ok("text" in help);
    const flat = help.text.replace(/\s+/g, " ");
    for (const name of flags) {
      const flag: Flag<unknown> = FLAGS[name];
      if (flag.only === "variable") continue;
      assert.ok(flat.includes(`--${kebab(name)} `), name);
      if (flag.only !== "flag") assert.ok(flat.includes(`env: ${variable(name, flag)})`), name);
    }
  }
  assert.deepEqual(readSettings(["-V"], () => undefined, "1.2.3"), {
    text: "1.2.3\n",
    isVersion: true,
  });
});

Deno.test("every flag belongs to a command, and a command refuses the flags of others", () => {
  const taken = new Set(Object.values(COMMANDS).flatMap(({ flags }) => flags));
  assert.deepEqual(ENTRIES.filter(([name]) => !taken.has(name)), []);
  assert.throws(
    () => readSettings(["--port", "1"], () => undefined, "1.2.3", "generate"),
    /^StartError: Unknown option '--port'/,
  );
});

Deno.test("a variable of another command's flag changes nothing", () => {
  const variables = (name: string) => name === "PORT" ? "80" : undefined;
  const settings = readSettings([], variables, "1.2.3", "generate");
  assert.ok("values" in settings);
  assert.equal(settings.values.port, 3000);
});

Deno.test("sampling flags keep their bounds, and a seed all its digits", () => {
  const generate = (...args: string[]) => {
    const settings = readSettings(args, () => undefined, "1.2.3", "generate");
    assert.ok("values" in settings);
    return settings;
  };
  assert.equal(generate("--seed", "18446744073709551615").values.seed, 2n ** 64n - 1n);
  assert.equal(generate("--temperature", "0.7").values.temperature, 0.7);
  assert.equal(generate("--frequency-penalty=-2").values.frequencyPenalty, -2);
  assert.deepEqual(generate("a prompt", "--stop", "x", "--stop", "y").values.stop, ["x", "y"]);
  assert.deepEqual(generate("a prompt").operands, ["a prompt"]);
  for (
    const wrong of ["--temperature=0", "--top-p=1.1", "--seed=-1", "--seed=18446744073709551616"]
  ) {
    assert.throws(() => generate(wrong), /cannot be used: it must be a /);
  }
  assert.throws(() => generate("--top-p=0"), /it must be a number above 0, at most 1\. /);
});

Deno.test("names and letters are each used once", () => {
  const names = ENTRIES.map(([name]) => kebab(name));
  const letters = ENTRIES.flatMap(([, flag]) => flag.short ?? []);
  assert.equal(new Set(names).size, names.length);
  assert.equal(new Set(letters).size, letters.length);
});
