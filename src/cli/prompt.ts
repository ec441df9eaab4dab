/** Asking for a line on the terminal, shown or not. */
import { Writable } from "node:stream";
import { NacreError } from "../support/errors.js";
import type { Invocation } from "./invocation.js";

/** How a question is asked. */
export interface PromptOptions {
  /** What is typed is not shown. */
  readonly hidden?: boolean;
}

/**
 * Asks for one line. Ctrl-C ends the command as anywhere else.
 * @throws NacreError USAGE if the input ends without a line; the signal's reason on Ctrl-C
 */
export async function askLine(
  invocation: Invocation,
  question: string,
  { hidden = false }: PromptOptions = {},
): Promise<string> {
  const { stdin, stderr, signal } = invocation;
  const { createInterface } = await import("node:readline");
  signal.throwIfAborted();
  // A line that is not shown is edited all the same: what the editor draws goes nowhere.
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr;
  const lines = createInterface({ input: stdin, output, terminal: stdin.isTTY === true, historySize: 0 });
  // Only now: who answers at once must not be shown by the terminal, which readline has just taken over.
  if (hidden) stderr.write(question);
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const stop = (): void => lines.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.on("close", () => reject(signal.aborted ? signal.reason : inputEnded()));
      lines.question(hidden ? "" : question, resolve);
    });
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
    if (hidden) stderr.write("\n");
  }
}

function inputEnded(): NacreError {
  return new NacreError("USAGE", "the input has ended before an answer", { hint: "see: nacre login --help" });
}
