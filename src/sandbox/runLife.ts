/** The life of a prepared run, whatever its root is: what goes on in it is known and stopped, what was made is undone. */
import { NacreError } from "../support/errors.js";

/** See the top of this file. */
export class RunLife {
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #signal: AbortSignal | undefined;

  /** @param signal ends everything of the run */
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** It has been released, or is being. */
  get isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Aborted when the run is over, when all of it is to end, or by a signal of one call. */
  signalWith(signal: AbortSignal | undefined): AbortSignal {
    const signals = [this.#stop.signal, signal, this.#signal];
    return AbortSignal.any(signals.filter((one) => one !== undefined));
  }

  /** Remembers something that goes on, until it has ended. */
  track<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running);
    running.catch(() => {}).finally(() => this.#running.delete(running));
    return running;
  }

  /** Remembers how something that was made is unmade; the last one made goes first. */
  onEnd(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Stops what goes on and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
  }

  /** Unmakes everything. What cannot be removed now, a later process sweeps. Never throws. */
  async undo(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo().catch(() => {});
  }
}

/** Prepares a run; if that fails, nothing of it is left. */
export async function prepared<R extends { prepare(): Promise<void>; release(): Promise<void> }>(run: R): Promise<R> {
  try {
    await run.prepare();
    return run;
  } catch (error) {
    await run.release();
    throw error;
  }
}

/** The refusal of a call that comes too late. */
export function released(): NacreError {
  return new NacreError("CANCELLED", "the step's root has been removed already");
}
