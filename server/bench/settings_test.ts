import assert from "node:assert/strict";
import { kebab } from "../options/flag.ts";
import { benchVariable } from "./command_line.ts";
import { BENCH_FLAGS } from "./flags.ts";
import { type BenchSettings, readBenchSettings } from "./settings.ts";

function read(args: readonly string[], env: Record<string, string> = {}): BenchSettings {
  const settings = readBenchSettings(args, (name) => env[name]);
  assert.ok("values" in settings);
  return settings;
}

function refusal(...args: readonly string[]): string {
  try {
    read(args);
  } catch (error) {
    assert.ok(error instanceof Error && "exitCode" in error);
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  assert.fail(`${args} was accepted`);
}

Deno.test("without flags one closed loop of 16 clients is measured", () => {
  const { values, loads, url, compare } = read([]);
  assert.deepEqual(loads, [{ kind: "closed", clients: 16 }]);
  assert.equal(url.href, "http://127.0.0.1:3000/");
  assert.equal(values.api, "tgi");
  assert.equal(values.json, null);
  assert.equal(compare, null);
});

Deno.test("client counts and rates are lists, and exclude each other", () => {
  assert.deepEqual(read(["--clients", "1,64"]).loads, [
    { kind: "closed", clients: 1 },
    { kind: "closed", clients: 64 },
  ]);
  assert.deepEqual(read(["--rate=0.5,20"]).loads, [
    { kind: "open", rate: 0.5 },
    { kind: "open", rate: 20 },
  ]);
  assert.match(refusal("--rate", "1", "--clients", "1"), /exclude each other/);
  for (const bad of ["0", "1,,2", "-1", "a", "1.5", "1, 2"]) {
    assert.match(refusal(`--clients=${bad}`), /must be whole numbers from 1/);
  }
  for (const bad of ["0", "0.0", "x", "", ".", "1e3"]) {
    assert.match(refusal(`--rate=${bad}`), /must be numbers above 0/);
  }
});

Deno.test("--json takes a file, -, or nothing", () => {
  assert.equal(read(["--json", "a.json"]).values.json, "a.json");
  assert.equal(read(["--json", "-"]).values.json, "-");
  assert.equal(read(["--json"]).values.json, "-");
  assert.equal(read(["--json", "--rounds", "2"]).values.json, "-");
});

Deno.test("each flag has a variable that a flag outdoes", () => {
  const env = { TGI_BENCH_URL: "http://a:1", TGI_BENCH_QUIET: "true", URL: "http://b", JSON: "x" };
  const { values } = read([], env);
  assert.equal(values.url, "http://a:1");
  assert.equal(values.quiet, true);
  assert.equal(values.json, null);
  assert.equal(read(["--url", "http://c:1"], env).values.url, "http://c:1");
  assert.throws(
    () => read([], { TGI_BENCH_ROUNDS: "none" }),
    /^StartError: TGI_BENCH_ROUNDS=none cannot be used/,
  );
});

Deno.test("an address is http or https and holds no password", () => {
  for (const bad of ["127.0.0.1:80", "ftp://a", "nothing"]) {
    assert.match(refusal("--url", bad), /must be like http:\/\/127\.0\.0\.1:3000/);
  }
  const message = refusal("--url", "http://me:secret@a");
  assert.match(message, /--api-key/);
  assert.doesNotMatch(message, /secret/);
});

Deno.test("--compare takes two files, and nothing else takes any", () => {
  assert.deepEqual(read(["--compare", "a.json", "b.json"]).compare, ["a.json", "b.json"]);
  assert.deepEqual(read(["a.json", "b.json", "--compare"]).compare, ["a.json", "b.json"]);
  assert.match(refusal("--compare", "a.json"), /takes two files, not 1/);
  assert.match(refusal("--compare", "a", "b", "c"), /takes two files, not 3/);
  assert.match(refusal("a.json"), /a\.json is no flag/);
});

Deno.test("a wrong flag is one sentence", () => {
  assert.match(refusal("--nothing"), /^Unknown option '--nothing'.* See --help\.$/);
  assert.match(refusal("--api", "soap"), /must be one of tgi, openai-completions/);
});

Deno.test("the help names every flag, on lines that fit a screen", () => {
  const printed = readBenchSettings(["--help"], () => undefined);
  assert.ok("text" in printed);
  for (const name of Object.keys(BENCH_FLAGS)) {
    assert.match(printed.text, new RegExp(`--${kebab(name)}\\b`));
    assert.match(benchVariable(name), /^TGI_BENCH_[A-Z_]+$/);
  }
  assert.ok(printed.text.split("\n").every((line) => line.length <= 100));
  assert.match(printed.text, /tgi bench --compare/);
});
