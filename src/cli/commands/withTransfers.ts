/** What `nacre push` and `nacre copy` show while they work. */
import type { Emit } from "../../index.js";
import { type Invocation, print } from "../invocation.js";
import { openDisplay } from "../progress/display.js";
import { paintFor } from "../style.js";
import { printable } from "../terminalText.js";

/** What the work may tell. */
export interface TransferTeller {
  readonly emit: Emit;
  /** A line of the result; on a terminal it waits until the bars are done. */
  say(line: string): void;
}

/** Bars on a terminal, and the lines below them; elsewhere the lines as they come. Warnings come in any case. */
export async function withTransfers<T>(
  invocation: Invocation,
  quiet: boolean,
  work: (teller: TransferTeller) => Promise<T>,
): Promise<T> {
  const { stdout, stderr, env, now, signal } = invocation;
  const isShown = stderr.isTTY === true && env.TERM !== "dumb" && !quiet;
  const form = isShown ? "tty" : "quiet";
  const display = await openDisplay({ form, stream: stderr, now, paint: paintFor(stderr, env), signal });
  const lines: string[] = [];
  const emit: Emit = (event) => {
    display.emit(event);
    if (!isShown && event.type === "warning") print(stderr, [`WARNING: ${printable(event.message)}`]);
  };
  const say = (line: string): void => {
    if (quiet) return;
    if (isShown) lines.push(line);
    else print(stdout, [line]);
  };
  let succeeded = false;
  try {
    const result = await work({ emit, say });
    succeeded = true;
    return result;
  } finally {
    display.stop(succeeded);
    print(stdout, lines);
  }
}
