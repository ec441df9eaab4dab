/** Errors as people see them: what failed, where, what to do. Never a stack trace for an expected failure. */

import { errnoOf, isNacreError, NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import type { CommanderError } from "./commander.js";
import { placeToJson } from "./progress/rawjson.js";
import type { Paint } from "./style.js";
import { printable, printableJson, printableLines } from "./terminalText.js";

/** How failures are shown. */
export interface FailureStyle {
  readonly paint: Paint;
  /** Shows stack traces. */
  readonly debug: boolean;
  /** Shows the source around a place; absent where no command got far enough to need it. */
  readonly excerpt?: ((place: SourcePlace) => string) | undefined;
}

/** A failure that has been told already, in another form; `cause` is the failure itself. */
export class ReportedFailure extends Error {
  constructor(cause: unknown) {
    super("a failure that has been reported", { cause });
  }
}

/** A failure of a command in which exit code 1 has a meaning of its own; `cause` is the failure itself. */
export class FailureWithExit extends Error {
  readonly exitCode: number;

  constructor(cause: unknown, exitCode: number) {
    super("a failure with an exit code", { cause });
    this.exitCode = exitCode;
  }
}

/** What to tell of an error: after a signal, whatever else went wrong went wrong because of it. */
export function toldError(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || !isNacreError(signal.reason) || error instanceof ReportedFailure) return error;
  return isNacreError(error) && error.code === "CANCELLED" ? error : signal.reason;
}

/** Exit codes: 1 failure, 2 wrong usage. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ReportedFailure) return exitCodeOf(error.cause);
  if (error instanceof FailureWithExit) return error.exitCode;
  return isNacreError(error) && error.code === "USAGE" ? 2 : 1;
}

/** All failures that one thrown value stands for. */
export function failuresOf(error: unknown): readonly unknown[] {
  if (error instanceof FailureWithExit) return failuresOf(error.cause);
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors.flatMap(failuresOf) : [error];
}

/** Lines for one failure: source excerpt, `ERROR:` line, `hint:` line. */
export function renderFailure(error: unknown, style: FailureStyle): string[] {
  const known = isNacreError(error) ? error : undefined;
  const lines: string[] = [];
  if (known?.place && style.excerpt) lines.push(...printableLines(style.excerpt(known.place).trimEnd()).split("\n"));
  const [first = "", ...rest] = printableLines(messageOf(error)).split("\n");
  lines.push(`${style.paint("error", "ERROR:")} ${first}`, ...rest);
  const hint = known ? known.hint : bugHint(error, style.debug);
  if (hint) lines.push(`${style.paint("hint", "hint:")} ${printableLines(hint)}`);
  if (style.debug) lines.push(...stacksOf(error));
  return lines;
}

/** A failure as one line of JSON, for `--progress=rawjson`. */
export function failureToJson(error: unknown): string {
  const known = isNacreError(error) ? error : undefined;
  return printableJson({
    type: "error",
    code: known?.code ?? "INTERNAL",
    message: messageOf(error),
    hint: known?.hint,
    place: known?.place ? placeToJson(known.place) : undefined,
  });
}

/** What commander says about wrong usage, as an error of ours: its suggestion becomes the hint. */
export function fromCommander(error: CommanderError, helpCommand: string): NacreError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = /^\(Did you mean (.+)\?\)$/.exec(rest.join(" ").trim())?.[1];
  const message = first
    .replace(/^unknown option '(.*)'$/s, "unknown flag: $1")
    .replace(/^unknown command '(.*)'$/s, "unknown command: $1");
  const hint = suggestion ? `did you mean ${suggestion}?` : `see: ${helpCommand} --help`;
  return new NacreError("USAGE", message, { hint, cause: error });
}

function messageOf(error: unknown): string {
  if (isNacreError(error)) return error.message;
  const message = error instanceof Error ? error.message : String(error);
  return errnoOf(error) ? message : `internal error: ${message}`;
}

function bugHint(error: unknown, debug: boolean): string | undefined {
  if (debug || errnoOf(error)) return undefined;
  return "this is a bug in nacre; run the command again with NACRE_DEBUG=1 and report what it prints";
}

function stacksOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    lines.push(...`${depth === 0 ? "" : "caused by: "}${at.stack ?? at.message}`.split("\n").map(printable));
  }
  return lines;
}
