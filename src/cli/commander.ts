/**
 * Commander, loaded as the CommonJS module that it is: importing it would make Node load its analyser of CommonJS exports
 * first, which takes longer than Commander itself.
 */
import { createRequire } from "node:module";

const commander = createRequire(import.meta.url)("commander") as typeof import("commander");

export const { Command, CommanderError, Option } = commander;
export type Command = import("commander").Command;
export type CommanderError = import("commander").CommanderError;
export type Option = import("commander").Option;
