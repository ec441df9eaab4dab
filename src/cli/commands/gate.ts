/** `nacre gate`. */
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";

/** Declares the command. */
export function gateCommand(_invocation: Invocation): Command {
  return new Command("gate");
}
