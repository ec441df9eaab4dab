/**
 * The command: arguments come in, an exit code goes out. Results go to standard output; progress, remarks and errors to
 * standard error. Exit codes: 0 success, 1 failure, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.
 */

import { errnoOf, isNacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import { CommanderError } from "./commander.js";
import { exitCodeOf, failuresOf, fromCommander, ReportedFailure, renderFailure, toldError } from "./failure.js";
import { type Invocation, print } from "./invocation.js";
import { createProgram, helpCommandFor, normalizeBooleans, wantsDebug } from "./program.js";
import { watchSignals } from "./signals.js";
import { paintFor } from "./style.js";
import { displayWidth } from "./terminalText.js";

/**
 * Runs one command.
 * @param argv arguments after the program's name
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  const watch = watchSignals(process);
  const pipes = watchPipes();
  // What waits for a reader who does not read would wait for ever. A terminal is not written to at length.
  watch.signal.addEventListener("abort", () => process.stdout.isTTY || process.stdout.destroy(watch.signal.reason));
  const invocation: Invocation = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: Date.now,
    signal: watch.signal,
    leaveSignals: watch.leaveToOthers,
  };
  try {
    const code = await runCommand(argv, invocation, pipes.brokenOff);
    // A failed write is told on a later turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    if (code === 0) return pipes.tellFailure() ? 1 : 0;
    const stopped = watch.exitCode();
    // Bytes that no one takes would keep the process alive.
    if (stopped !== undefined && process.stdout.writableLength > 0) process.exit(stopped);
    return stopped ?? code;
  } finally {
    watch.close();
    endSoon();
  }
}

/** Time for what a command leaves behind to end by itself, in milliseconds. */
const LINGER = 1000;

/**
 * A command that is done ends its process: something that still waits (a pipe that no one closes, say) must not keep a
 * script waiting too. Output that is still being taken is let out first.
 */
function endSoon(): void {
  setTimeout(() => {
    if (process.stdout.writableLength + process.stderr.writableLength > 0) return endSoon();
    if (wantsDebug([], process.env))
      process.stderr.write(`still active: ${process.getActiveResourcesInfo().join(" ")}\n`);
    process.exit();
  }, LINGER).unref();
}

/**
 * Runs one command in a given world.
 * @param brokenOff says if the reader of standard output has gone away; then the error that follows from it is no news
 * @returns the exit code, signals left aside
 */
export async function runCommand(
  argv: readonly string[],
  invocation: Invocation,
  brokenOff: () => boolean = () => false,
): Promise<number> {
  const program = await createProgram(invocation, argv);
  const words = normalizeBooleans(program, argv);
  try {
    if (words.length === 0) program.outputHelp();
    else await program.parseAsync(words, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // A group of commands without a command: its help has been printed.
      if (error.code === "commander.help") return 2;
    }
    const failure =
      error instanceof CommanderError
        ? fromCommander(error, helpCommandFor(program, words))
        : toldError(error, invocation.signal);
    if (!brokenOff()) await report(failure, words, invocation);
    return exitCodeOf(failure);
  }
}

async function report(failure: unknown, words: readonly string[], invocation: Invocation): Promise<void> {
  if (failure instanceof ReportedFailure) return;
  const failures = failuresOf(failure);
  const placed = failures.some((error) => isNacreError(error) && error.place !== undefined);
  const style = {
    paint: paintFor(invocation.stderr, invocation.env),
    debug: wantsDebug(words, invocation.env),
    excerpt: placed ? await excerptForTerminals() : undefined,
  };
  for (const error of failures) print(invocation.stderr, renderFailure(error, style));
}

async function excerptForTerminals(): Promise<(place: SourcePlace) => string> {
  const { renderExcerpt } = await import("../index.js");
  return (place) => renderExcerpt(place, undefined, displayWidth);
}

/** What has become of standard output. */
interface Pipes {
  /** Its reader has gone away. */
  brokenOff(): boolean;
  /** Tells that it could not be written for another reason, if that is so: now or when it becomes known. */
  tellFailure(): boolean;
}

/** A reader that goes away (`nacre image ls | head -1`) is not worth a message; a full disk is. */
function watchPipes(): Pipes {
  let broken = false;
  let failure: Error | undefined;
  let telling = false;
  const tell = (): void => {
    if (failure) process.stderr.write(`ERROR: writing to standard output failed: ${failure.message}\n`);
  };
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error) => {
    if (isNacreError(error)) return;
    if (errnoOf(error) === "EPIPE") {
      broken = true;
      return;
    }
    if (failure) return;
    failure = error;
    process.exitCode = 1;
    if (telling) tell();
  });
  return {
    brokenOff: () => broken,
    // A command that fails for this reason says so itself.
    tellFailure: () => {
      telling = true;
      tell();
      return failure !== undefined;
    },
  };
}
