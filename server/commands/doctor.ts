import type { Command } from "./context.ts";
export const doctor: Command = () => Promise.resolve(0);
