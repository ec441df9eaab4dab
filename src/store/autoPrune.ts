/**
 * Garbage collection that no one asks for: a build looks at a count when it ends, and where the cache has outgrown its
 * limits, another process collects, beside whatever runs next. That process may die with the machine or the container at
 * any moment: nothing is lost, and the next build sees that it has not come to its end and collects itself.
 */
import { type CacheLimits, defaultLimit, spaceOf, thresholdsOf } from "./limits.js";
import { type PruneReport, tryPrune } from "./prune.js";
import { addToLedger, type Ledger, noteStarted } from "./pruneLedger.js";
import type { Store } from "./store.js";

const DAY = 24 * 3_600_000;
/** Milliseconds between collections that only the file system's free space asks for: others may be filling it. */
const FREE_SPAN = 600_000;
/** Milliseconds after which a collection that was started in the background should have come to its end. */
const STARTED_SPAN = 60_000;
/** Size after a collection, by the limit: so that not every build has to collect. */
const TARGET = 0.8;

/** How a collection is started so that the caller need not wait. @returns false if it could not be started */
export type StartPrune = (limits: CacheLimits) => boolean | Promise<boolean>;

/** How to collect. */
export interface AutoPruneOptions {
  /** Read only where they are needed. Default: {@link defaultLimit} for the size. */
  readonly limits?: (() => CacheLimits) | undefined;
  /** Without it, collecting is waited for. */
  readonly start?: StartPrune | undefined;
}

/**
 * To be called at the end of a build: collects if the cache has outgrown a limit, by a count of the bytes written that all
 * processes share; costs next to nothing otherwise, and nothing if this process wrote nothing. The cache is measured afresh
 * once a day, which is also when what is too old goes. Skipped while another process collects.
 * @returns the report, if it was waited for
 * @throws NacreError STORE, and what `limits` throws
 */
export async function autoPrune(store: Store, options: AutoPruneOptions = {}): Promise<PruneReport | undefined> {
  const written = store.directory.bytesWritten;
  if (written === 0) return undefined;
  store.directory.bytesWritten = 0;
  const given = options.limits?.();
  const limits = given ?? { maxBytes: defaultLimit(store.path) };
  const now = store.directory.now();
  const ledger = addToLedger(store, written);
  const due = whatIsDue(store, limits, ledger, now);
  if (!due) return undefined;
  const hasFailed = ledger.started !== undefined && now - ledger.started > STARTED_SPAN;
  const isRunning = ledger.started !== undefined && !hasFailed;
  if (isRunning) return undefined;
  if (options.start && !hasFailed) {
    noteStarted(store);
    if (await options.start(due)) return undefined;
  }
  return tryPrune(store, due);
}

/** The limits to collect by, somewhat below those that are outgrown; undefined while there is nothing to do. */
function whatIsDue(store: Store, limits: CacheLimits, ledger: Ledger, now: number): CacheLimits | undefined {
  const { maxBytes, minFree, free } = thresholdsOf(limits, store.path, now);
  const age = now - ledger.time;
  const isTooBig = ledger.bytes > Math.max(maxBytes, ledger.measured * 1.1);
  const isTooFull = free < minFree && age >= FREE_SPAN;
  if (!isTooBig && !isTooFull && age < DAY) return undefined;
  return {
    ...limits,
    ...(isTooBig ? { maxBytes: Math.floor(maxBytes * TARGET) } : {}),
    ...(isTooFull ? { minFree: Math.min(spaceOf(store.path).size, Math.floor(minFree * (2 - TARGET))) } : {}),
  };
}
