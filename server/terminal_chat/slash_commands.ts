/** The commands inside a chat, as data. */

/** What a line of the user asks for. */
export type Request =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: SlashName; readonly text: string }
  | { readonly kind: "unknown"; readonly text: string };

/** A command's name, without its slash. */
export type SlashName = "help" | "clear" | "system" | "regen" | "save" | "exit";

/** What each does. */
export const SLASH_COMMANDS: Readonly<Record<SlashName, { argument: string; help: string }>> = {
  help: { argument: "", help: "Show this list." },
  clear: { argument: "", help: "Forget the conversation; the system message stays." },
  system: { argument: "[TEXT]", help: "Set the system message; without a text, remove it." },
  regen: { argument: "", help: "Answer the last question anew." },
  save: { argument: "FILE", help: "Write the conversation to a Markdown file." },
  exit: { argument: "", help: "End the chat; so do /quit and Ctrl-D." },
};

/** Other names of commands. */
const ALIASES: Readonly<Record<string, SlashName>> = { quit: "exit", bye: "exit", "?": "help" };

const NAMES = Object.keys(SLASH_COMMANDS) as readonly SlashName[];

/** Reads what the user typed; a line that begins with two slashes is said with one. */
export function readRequest(text: string): Request {
  if (text.startsWith("//")) return { kind: "say", text: text.slice(1) };
  const [, word, rest] = /^\/(\S*)\s*(.*)$/s.exec(text) ?? [];
  if (word === undefined) return { kind: "say", text };
  const name = NAMES.find((name) => name === word) ?? ALIASES[word];
  if (name === undefined) return { kind: "unknown", text: `/${word}` };
  return { kind: name, text: (rest ?? "").trim() };
}

/** What `/help` prints. */
export function slashHelp(): string {
  const rows = NAMES.map((name) => {
    const { argument, help } = SLASH_COMMANDS[name];
    return `  ${`/${name} ${argument}`.padEnd(16)} ${help}`;
  });
  return [
    ...rows,
    '  """              Begin a message of several lines; """ again ends it.',
    "  \\ at the end     The message goes on in the next line.",
    "  Ctrl-C           Stop the answer; at the prompt, twice, leave.",
  ].join("\n");
}
