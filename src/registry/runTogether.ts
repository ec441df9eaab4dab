/** Work that is done several pieces at a time, and ends as a whole when one piece fails. */
import { reasonOf } from "./interruptible.js";

/**
 * Runs tasks, so many at a time, in their order. The first that fails stops the others through their signal; all have
 * ended when it returns.
 * @throws what the first one threw, not what that led to
 */
export async function runTogether(
  jobs: number,
  outer: AbortSignal | undefined,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const { default: pLimit } = await import("p-limit");
  const limit = pLimit(Math.max(1, jobs));
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  let failure: { readonly error: unknown } | undefined;
  const run = async (task: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    try {
      if (signal.aborted) throw reasonOf(signal);
      await task(signal);
    } catch (error) {
      failure ??= { error };
      stop.abort(error);
    }
  };
  await Promise.all(tasks.map((task) => limit(run, task)));
  if (failure) throw failure.error;
}
