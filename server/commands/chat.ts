import type { Command } from "./context.ts";
export const chat: Command = () => Promise.resolve(0);
