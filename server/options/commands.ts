/** Every command as data: help, parser and shell completions are made from it. */

import type { Group } from "./flag.ts";
import { type FlagName, FLAGS } from "./table.ts";

/** What a command is called. */
export type CommandName =
  | "serve"
  | "generate"
  | "chat"
  | "plan"
  | "doctor"
  | "models"
  | "bench"
  | "completions";

/** A word that a command takes beside its flags. */
export interface Operand {
  /** As help shows it: `[prompt]`. */
  readonly word: string;
  readonly help: string;
  /** The words that it may be, where they are few. */
  readonly choices?: readonly string[];
}

/** A command. */
export interface CommandEntry {
  /** One line, without a full stop. */
  readonly summary: string;
  readonly operands: readonly Operand[];
  /** Those of the one table; `bench` has a table of its own, `server/bench/flags.ts`. */
  readonly flags: readonly FlagName[];
  /** Lines that can be typed as they stand. */
  readonly examples: readonly string[];
}

const MODEL = named("model");
/** What a model that one person uses may be limited by. */
const ROOM = [
  "maxTotalTokens",
  "maxInputTokens",
  "maxBatchPrefillTokens",
  "maxBatchTotalTokens",
  "speculate",
  "profile",
] as const;
const LOG = ["quiet", "jsonOutput", "logLevel"] as const;
const SCRIPTED = named("scripted");

/** Every command, in the order of the help. */
export const COMMANDS: Readonly<Record<CommandName, CommandEntry>> = {
  serve: {
    summary: "Serve a model over HTTP, as TGI does (the default command)",
    operands: [],
    flags: [
      ...MODEL,
      ...named("address"),
      ...named("limits"),
      ...named("scheduling"),
      ...named("behaviour"),
      "quiet",
      ...SCRIPTED,
      ...named("ignored"),
    ],
    examples: ["tgi", "tgi serve --model-id ./model.gguf --hostname 0.0.0.0 --port 8080"],
  },
  generate: {
    summary: "Continue one prompt; the text is written as it comes",
    operands: [{ word: "[prompt]", help: "The prompt; standard input when there is none, or -." }],
    flags: [...MODEL, ...named("sampling"), "url", "apiKey", "json", ...ROOM, ...LOG, ...SCRIPTED],
    examples: [
      'tgi generate "The capital of France is" --max-new-tokens 8',
      "cat notes.txt | tgi generate --temperature 0.7 --seed 1 > story.txt",
      'tgi generate --url http://127.0.0.1:3000 "Once upon a time"',
    ],
  },
  chat: {
    summary: "Talk with the model in this terminal",
    operands: [],
    flags: [...MODEL, ...named("sampling"), "system", ...ROOM, ...LOG, ...SCRIPTED],
    examples: ["tgi chat", 'tgi chat --system "You answer in one sentence." --temperature 0.7'],
  },
  plan: {
    summary: "Tell what memory a model takes and what fits, without loading it",
    operands: [],
    flags: [
      ...MODEL,
      "maxConcurrentRequests",
      ...ROOM,
      "maxBatchSize",
      "json",
      ...LOG,
      ...SCRIPTED,
    ],
    examples: ["tgi plan", "tgi plan --model-id ./model.gguf --max-total-tokens 4096 --json"],
  },
  doctor: {
    summary: "Check what a start needs, and say what to do",
    operands: [],
    // What a request names is not looked for.
    flags: [
      ...MODEL.filter((name) => name !== "loraAdapters"),
      "hostname",
      "port",
      "json",
      ...LOG,
      ...SCRIPTED,
    ],
    examples: ["tgi doctor", "tgi doctor --model-id ./model.gguf --port 8080"],
  },
  models: {
    summary: "List, fetch and remove models on this disk",
    operands: [
      {
        word: "[action]",
        help: "list (the default), fetch or remove.",
        choices: ["list", "fetch", "remove"],
      },
      {
        word: "[id]",
        help:
          "Repository on the hub (owner/name, or owner/name:QUANT to fetch); the default model " +
          "when there is none.",
      },
    ],
    flags: [
      "revision",
      "ggufFile",
      "huggingfaceHubCache",
      "hfToken",
      "hfHubOffline",
      "json",
      ...LOG,
    ],
    examples: ["tgi models", "tgi models fetch owner/name:Q8_0", "tgi models remove owner/name"],
  },
  bench: {
    summary: "Load a running server with streams and measure it",
    operands: [],
    flags: [],
    examples: [
      "tgi bench --clients 1,16,64 --html report.html",
      "tgi bench --rate 2,4,8 --duration 30 --slo-ttft 300 --json ours.json",
    ],
  },
  completions: {
    summary: "Print a completion script for bash, zsh or fish",
    operands: [{
      word: "<shell>",
      help: "bash, zsh or fish.",
      choices: ["bash", "zsh", "fish"],
    }],
    flags: [],
    examples: [
      "source <(tgi completions bash)",
      "tgi completions fish > ~/.config/fish/completions/tgi.fish",
    ],
  },
};

/** All names, in the order of the help. */
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** Names of the flags of a group. */
function named(group: Group): FlagName[] {
  return (Object.keys(FLAGS) as FlagName[]).filter((name) => FLAGS[name].group === group);
}
