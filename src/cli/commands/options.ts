/** Pieces that the declarations of several commands share. */

import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { type Command, Option } from "../commander.js";

/**
 * Gathers the values of a flag that may be repeated.
 * @param previous what there is so far; for flags that begin with `--no-` commander starts with `true`
 */
export function collect(value: string, previous: readonly string[] | boolean | undefined): readonly string[] {
  return Array.isArray(previous) ? [...previous, value] : [value];
}

/** Options of every command by attribute name. */
export interface GlobalOptions {
  readonly store?: string;
}

/** All options of a command, the global ones (`--store`) among them. */
export function optionsOf<T extends object>(command: Command): T & GlobalOptions {
  return command.optsWithGlobals<T & GlobalOptions>();
}

/** `--format` with its choices; the first one is the default. */
export function formatOption(...choices: readonly string[]): Option {
  const description = `how to print: ${choices.join(" or ")}`;
  return new Option("--format <format>", description).default(choices[0]).argParser((value) => {
    if (choices.includes(value)) return value;
    const near = nearest(value, choices);
    const template = value.includes("{{") ? "templates are not available; use --format json and jq" : undefined;
    throw new NacreError("USAGE", `unknown format ${JSON.stringify(value)}`, {
      hint: template ?? (near ? `did you mean ${near}?` : `--format is ${choices.join(" or ")}`),
    });
  });
}

/** Examples below a command's help: pairs of a command line and what it does. */
export function examples(...lines: readonly (readonly [line: string, what: string])[]): string {
  const width = Math.max(...lines.map(([line]) => line.length));
  const body = lines.map(([line, what]) => `  ${line.padEnd(width)}   # ${what}`);
  return ["", "Examples:", ...body].join("\n");
}
