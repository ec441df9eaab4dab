/** Progress for commands that do one long piece of work. */
import type { Emit } from "../../support/events.js";
import type { Invocation } from "../invocation.js";
import { openDisplay } from "../progress/display.js";
import { paintFor } from "../style.js";

/** Tells how the work goes. */
export interface Step {
  progress(current: number, total: number | undefined, unit: "bytes" | "files"): void;
  log(text: string): void;
}

/** Shows the work on a terminal; elsewhere such commands only print their results. */
export async function withProgress<T>(
  invocation: Invocation,
  options: { readonly quiet?: boolean },
  name: string,
  work: (step: Step) => Promise<T>,
): Promise<T> {
  const { now, signal } = invocation;
  const id = "internal:command";
  return withEvents(
    invocation,
    async (emit) => {
      emit({ type: "start", id, name, time: now() });
      try {
        const result = await work(stepOf(id, emit, now));
        emit({ type: "end", id, outcome: "done", time: now() });
        return result;
      } catch (error) {
        emit({ type: "end", id, outcome: signal.aborted ? "cancelled" : "error", time: now() });
        throw error;
      }
    },
    options,
  );
}

/** Shows on a terminal what happens in a piece of work that ends with a result of its own, and leaves nothing of it there. */
export async function withEvents<T>(
  invocation: Invocation,
  work: (emit: Emit) => Promise<T>,
  { quiet }: { readonly quiet?: boolean } = {},
): Promise<T> {
  const { stderr, env, now, signal } = invocation;
  const form = stderr.isTTY === true && env.TERM !== "dumb" && !quiet ? "tty" : "quiet";
  const display = await openDisplay({ form, stream: stderr, now, paint: paintFor(stderr, env), signal });
  try {
    const result = await work(display.emit);
    display.stop(true);
    return result;
  } catch (error) {
    display.stop(false);
    throw error;
  }
}

function stepOf(id: string, emit: Emit, now: () => number): Step {
  return {
    progress: (current, total, unit) => emit({ type: "progress", id, current, total, unit, time: now() }),
    log: (text) => emit({ type: "log", id, text, time: now() }),
  };
}
