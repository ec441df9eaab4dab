/**
 * Garbage collection: keeps the cache below a size. What a reference, or a living process's lease, needs is never
 * removed; records go least recently used first, with what only they need. No build has to wait for it: candidates are
 * moved to tombstones/ first, then leases are read once more, and what has become protected is put back.
 */
import * as fs from "node:fs";
import { errnoOf, ioError, isNacreError } from "../support/errors.js";
import { isMissing, readIfThere, writeAll } from "./files.js";
import { readProtected } from "./leases.js";
import { type Needs, NeedsFinder } from "./needs.js";
import { type PrunePlan, planPrune, type RecordNeeds, type Removal } from "./prunePlan.js";
import { INDEX_LOCK } from "./references.js";
import type { Store } from "./store.js";
import { sweepTemp } from "./sweep.js";
import {
  announcePrune,
  bury,
  destroy,
  type Entry,
  type EntryId,
  inventory,
  isTree,
  PRUNE_LOCK,
  removeOrWarn,
  restore,
  undoPrune,
} from "./tombstones.js";

export type { Removal, RemovalReason } from "./prunePlan.js";

/** Milliseconds for which what nobody needs is kept: another tool may be about to refer to it. */
const GRACE = 3_600_000;
/** Entries moved aside at a time, so that setting a reference never waits long for the lock. */
const BATCH = 1000;
const DAY = 24 * 3_600_000;

/** How much to remove. Without any of it: down to {@link defaultLimit}. */
export interface PruneOptions {
  /** Most bytes on disk for the cache: all that no reference needs. Default: 0 where `keepDuration` is given. */
  readonly maxBytes?: number | undefined;
  /** Keep what was used within so many milliseconds, even above `maxBytes`. */
  readonly keepDuration?: number | undefined;
  /** Everything that no reference and no running process needs. */
  readonly all?: boolean | undefined;
  /** Only say what would go. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds since 1970. Default: the store's clock. */
  readonly now?: number | undefined;
}

/** What was removed, or would be. Sizes are bytes on disk. */
export interface PruneReport {
  readonly removed: readonly Removal[];
  readonly freed: number;
  readonly cacheBefore: number;
  readonly cacheAfter: number;
  readonly maxBytes: number;
  readonly dryRun: boolean;
}

/** The cache's size limit where none is given: 10 GiB, or a fifth of the file system if that is more. */
export function defaultLimit(path: string): number {
  const { bsize, blocks } = fs.statfsSync(path);
  return Math.max(10 * 2 ** 30, Math.floor((bsize * blocks) / 5));
}

/**
 * Removes what is not needed. Waits while another process prunes.
 * @throws NacreError STORE
 */
export async function pruneStore(store: Store, options: PruneOptions = {}): Promise<PruneReport> {
  if (options.dryRun) return report(survey(store, options).plan, options, store);
  return store.locks.withLock(PRUNE_LOCK, () => prune(store, options));
}

/**
 * To be called at the end of a build: prunes if the cache has outgrown its limit, by a count of the bytes written that
 * all processes share; costs next to nothing otherwise, and nothing if this process wrote nothing. The cache is measured
 * afresh once a day. Skipped while another process prunes.
 */
export async function autoPrune(store: Store, limits: { maxBytes?: number } = {}): Promise<PruneReport | undefined> {
  const written = store.directory.bytesWritten;
  if (written === 0) return undefined;
  store.directory.bytesWritten = 0;
  const maxBytes = limits.maxBytes ?? defaultLimit(store.path);
  const ledger = addToLedger(store, written);
  const outgrown = ledger.bytes > Math.max(maxBytes, ledger.measured * 1.1);
  if (!outgrown && store.directory.now() - ledger.time < DAY) return undefined;
  // Somewhat below the limit, so that not every build has to prune.
  const target = outgrown ? Math.floor(maxBytes * 0.8) : maxBytes;
  return (await store.locks.tryWithLock(PRUNE_LOCK, () => prune(store, { maxBytes: target })))?.result;
}

async function prune(store: Store, options: PruneOptions): Promise<PruneReport> {
  await undoPrune(store.directory, store.removeTree);
  for (const path of sweepTemp(store.directory, fs.readdirSync(store.directory.at("tmp")))) {
    await removeOrWarn(store.directory, path, store.removeTree);
  }
  const { plan, finder } = survey(store, options);
  const removed = plan.removals.length > 0 ? await carryOut(store, finder, plan.removals) : [];
  const done = report({ ...plan, removals: removed }, options, store);
  writeLedger(store, done.cacheAfter);
  return done;
}

/** Takes stock and decides. */
function survey(store: Store, options: PruneOptions): { plan: PrunePlan; finder: NeedsFinder } {
  const finder = new NeedsFinder(store);
  const leased = readProtected(store.directory);
  const entries = inventory(store.directory);
  const { records, unusable } = surveyRecords(store, finder, entries, leased.records);
  const plan = planPrune({
    entries,
    images: finder.ofImages(store.references.entries()),
    leases: finder.ofLeases(leased),
    records,
    unusable,
    ...thresholds(store, options),
  });
  return { plan, finder };
}

function surveyRecords(
  store: Store,
  finder: NeedsFinder,
  entries: ReadonlyMap<EntryId, Entry>,
  leased: ReadonlySet<string>,
): { records: RecordNeeds[]; unusable: Entry[] } {
  const usable = new Map<EntryId, RecordNeeds>();
  for (const file of store.records.files()) {
    const entry = entries.get(`record.${file.path.slice(file.path.lastIndexOf("/") + 1)}`);
    const record = entry && store.records.read(file);
    if (!record || !store.records.hasBlobs(record)) continue;
    usable.set(entry.id, { entry, needs: finder.ofRecord(record), leased: leased.has(record.id) });
  }
  const unusable = [...entries.values()].filter((entry) => entry.kind === "record" && !usable.has(entry.id));
  return { records: [...usable.values()], unusable };
}

function thresholds(store: Store, options: PruneOptions) {
  const now = options.now ?? store.directory.now();
  const maxBytes = maxBytesOf(store, options);
  const usedBefore = options.all ? Number.POSITIVE_INFINITY : now - (options.keepDuration ?? -DAY);
  const unreferencedBefore = options.all ? Number.POSITIVE_INFINITY : now - GRACE;
  return { maxBytes, usedBefore, unreferencedBefore };
}

function maxBytesOf(store: Store, { all, maxBytes, keepDuration }: PruneOptions): number {
  if (all) return 0;
  return maxBytes ?? (keepDuration !== undefined ? 0 : defaultLimit(store.path));
}

/** Moves aside, looks again, and removes for good. @returns what is gone */
async function carryOut(store: Store, finder: NeedsFinder, removals: readonly Removal[]): Promise<Removal[]> {
  const { directory } = store;
  const removed: Removal[] = [];
  const imageNeeds = rememberImageNeeds(store, finder);
  const end = announcePrune(directory);
  try {
    for (let at = 0; at < removals.length; at += BATCH) {
      const batch = removals.slice(at, at + BATCH);
      // Under the lock of index.json, no image can be named whose blobs are just being moved.
      const gone = await store.locks.withLock(INDEX_LOCK, async () => setAside(store, finder, imageNeeds(), batch));
      for (const entry of gone) await destroy(directory, entry, store.removeTree);
      removed.push(...gone);
    }
  } catch (error) {
    await undoPrune(directory, store.removeTree);
    throw ioError("STORE", `pruning the store ${directory.path}`, error);
  } finally {
    end();
  }
  return removed;
}

function setAside(store: Store, finder: NeedsFinder, referenced: Needs, batch: readonly Removal[]): Removal[] {
  // A directory in use cannot be taken away even for a moment: whoever uses one waits for this lock (useDirectories).
  const inUse = batch.some(({ kind }) => isTree(kind))
    ? finder.ofLeases(readProtected(store.directory)).strong
    : new Set<EntryId>();
  const moved = batch.filter(
    (one) => !referenced.strong.has(one.id) && !inUse.has(one.id) && bury(store.directory, one),
  );
  // Read after moving: whoever still saw a thing in its place had written its lease before.
  const leased = readProtected(store.directory);
  const needed = finder.ofLeases(leased);
  return moved.filter((one) => {
    const isKept = needed.strong.has(one.id) || (one.kind === "record" && leased.records.has(one.name.slice(-16)));
    if (isKept) restore(store.directory, one);
    return !isKept;
  });
}

/** The needs of index.json as it stands, walked again only when it has changed. */
function rememberImageNeeds(store: Store, finder: NeedsFinder): () => Needs {
  let seen: Buffer | undefined;
  let needs: Needs | undefined;
  return () => {
    const bytes = store.references.bytes();
    if (!needs || !seen?.equals(bytes)) needs = finder.ofImages(store.references.entries());
    seen = bytes;
    return needs;
  };
}

function report(plan: PrunePlan, options: PruneOptions, store: Store): PruneReport {
  const freed = plan.removals.reduce((sum, removal) => sum + removal.bytes, 0);
  return {
    removed: plan.removals,
    freed,
    cacheBefore: plan.cacheBefore,
    cacheAfter: plan.cacheBefore - freed,
    maxBytes: maxBytesOf(store, options),
    dryRun: options.dryRun ?? false,
  };
}

/** How big the cache was when it was last measured, and is by the count since. */
interface Ledger {
  readonly measured: number;
  readonly time: number;
  readonly bytes: number;
}

/** The ledger: a first line `BYTES TIME` from the last measurement, then one line `+BYTES` for each build. */
function addToLedger(store: Store, written: number): Ledger {
  const path = ledgerPath(store);
  try {
    const fd = fs.openSync(path, "a", 0o644);
    try {
      if (fs.fstatSync(fd).size === 0) writeAll(fd, Buffer.from(`0 ${store.directory.now()}\n`));
      writeAll(fd, Buffer.from(`+${written}\n`));
    } finally {
      fs.closeSync(fd);
    }
    return parseLedger(readIfThere(path)?.toString("latin1") ?? "");
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === "ENOSPC") return { measured: 0, time: 0, bytes: 0 };
    throw ioError("STORE", `writing ${path}`, error);
  }
}

function parseLedger(text: string): Ledger {
  const [first = "", ...lines] = text.split("\n");
  const match = /^([0-9]+) ([0-9]+)$/.exec(first);
  const measured = Number(match?.[1] ?? 0);
  const added = lines.reduce((sum, line) => sum + (/^\+[0-9]+$/.test(line) ? Number(line.slice(1)) : 0), 0);
  return { measured, time: Number(match?.[2] ?? 0), bytes: measured + added };
}

function writeLedger(store: Store, cache: number): void {
  const written = store.directory.bytesWritten;
  try {
    store.directory.publish(ledgerPath(store), [Buffer.from(`${cache} ${store.directory.now()}\n`)]);
  } catch (error) {
    // The count then starts from the last measurement: pruning may come too early, never too late.
    if (!isNacreError(error) || error.code !== "DISK_FULL") throw error;
  }
  store.directory.bytesWritten = written;
}

function ledgerPath(store: Store): string {
  return store.directory.at("locks", "cache-size");
}
