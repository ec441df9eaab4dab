/** Lets progress be drawn and Ctrl-C be heard during long synchronous work. */
import { NacreError } from "../support/errors.js";

/** How long work goes on without a pause, in milliseconds. */
const SLICE = 30;

export class Pacer {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** True if a pause is due. Cheap, so that it can be asked after every directory or file. */
  isDue(): boolean {
    return performance.now() - this.#since > SLICE;
  }

  /**
   * Lets everything else run that waits.
   * @throws NacreError CANCELLED
   */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#signal?.aborted) throw new NacreError("CANCELLED", "reading the build context was cancelled");
    this.#since = performance.now();
  }
}
