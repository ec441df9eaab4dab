/** Reading that can be stopped while nothing comes. */
import { NacreError } from "../support/errors.js";

/**
 * The same chunks, until the signal is aborted: then it throws at once, even where the source is waiting for something.
 * @throws NacreError CANCELLED, or the signal's reason if that is a NacreError
 */
export async function* interruptible(source: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  let stop: (reason: unknown) => void = () => {};
  const onAbort = (): void => stop(reasonOf(signal));
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      const { done, value } = await new Promise<IteratorResult<Buffer>>((resolve, reject) => {
        stop = reject;
        if (signal.aborted) return onAbort();
        iterator.next().then(resolve, (error: unknown) => {
          ended = true;
          reject(error);
        });
      });
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not waited for: a source that waits itself ends only when it gets something.
    if (!ended) iterator.return?.().then(undefined, () => {});
  }
}

/** What to throw once a signal has been aborted. */
export function reasonOf(signal: AbortSignal): unknown {
  const reason: unknown = signal.reason;
  return reason instanceof NacreError ? reason : new NacreError("CANCELLED", "stopped while an image was being pulled");
}
