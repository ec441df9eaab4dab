/** `nacre sizeReport`. */
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";

/** Declares the command. */
export function sizeReportCommand(_invocation: Invocation): Command {
  return new Command("size-report");
}
