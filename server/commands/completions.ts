import type { Command } from "./context.ts";
export const completions: Command = () => Promise.resolve(0);
