/** Lets progress be drawn and signals be heard during long synchronous work. */
import { NacreError } from "../support/errors.js";

/** How long the event loop may wait, in milliseconds. */
const SLICE_MS = 40;

/** Asked after every file; see the top of this file. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** True if a pause is due. */
  isDue(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  /**
   * Lets everything else run that waits.
   * @throws NacreError CANCELLED once the signal is aborted
   */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.check();
    this.#since = performance.now();
  }

  /** @throws NacreError CANCELLED once the signal is aborted */
  check(): void {
    if (this.#signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
  }
}
