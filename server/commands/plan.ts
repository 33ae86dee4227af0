import type { Command } from "./context.ts";
export const plan: Command = () => Promise.resolve(0);
