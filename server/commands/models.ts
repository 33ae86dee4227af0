import type { Command } from "./context.ts";
export const models: Command = () => Promise.resolve(0);
