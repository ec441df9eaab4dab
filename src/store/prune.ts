/**
 * Garbage collection: keeps the cache within its limits. What a reference, or a living process's lease, needs is never
 * removed; records go least recently used first, with what only they need. No build has to wait for it: candidates are
 * moved to tombstones/ first, then leases are read once more, and what has become protected is put back.
 */
import * as fs from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { hexOf } from "../oci/digest.js";
import { ioError } from "../support/errors.js";
import { type Evicted, noteEvictions, rotateEvictions } from "./evictions.js";
import { unlinkIfThere } from "./files.js";
import { readProtected } from "./leases.js";
import { type CacheLimits, defaultLimit, type Thresholds, thresholdsOf } from "./limits.js";
import { type Needs, NeedsFinder } from "./needs.js";
import { writeLedger } from "./pruneLedger.js";
import { type PrunePlan, planPrune, type RecordNeeds, type Removal } from "./prunePlan.js";
import type { Envelope } from "./records.js";
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
  type Kind,
  PRUNE_LOCK,
  removeOrWarn,
  restore,
  undoPrune,
} from "./tombstones.js";
import { tidyUses } from "./uses.js";

export type { Removal, RemovalReason } from "./prunePlan.js";

/** Milliseconds for which what nobody needs is kept: another tool may be about to refer to it. */
const GRACE = 3_600_000;
/** Entries moved aside at a time, so that setting a reference never waits long for the lock: a tenth of a second or so. */
const BATCH = 4000;
/** Files removed before other work of the process gets its turn. */
const TURN = 500;

/** What to remove: all that is beyond any of the limits. Where none is given: down to {@link defaultLimit}. */
export interface PruneOptions extends CacheLimits {
  /** Everything that no reference and no running process needs, whatever the limits. */
  readonly all?: boolean | undefined;
  /** Only things of these kinds, and what only they need. */
  readonly only?: readonly Kind[] | undefined;
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
  /** The limits in figures; absent where there is none. */
  readonly maxBytes?: number | undefined;
  /** Bytes that the file system shall have free, and had. */
  readonly minFree?: number | undefined;
  readonly free: number;
  /** Milliseconds. */
  readonly keepDuration?: number | undefined;
  readonly dryRun: boolean;
}

/**
 * Removes what is not needed. Waits while another process prunes.
 * @throws NacreError STORE
 */
export async function pruneStore(store: Store, options: PruneOptions = {}): Promise<PruneReport> {
  if (options.dryRun) {
    const { plan, limits } = survey(store, options);
    return report(plan, options, limits);
  }
  return store.locks.withLock(PRUNE_LOCK, () => prune(store, options));
}

/** The same, unless another process prunes: then there is nothing to do. */
export async function tryPrune(store: Store, options: PruneOptions): Promise<PruneReport | undefined> {
  return (await store.locks.tryWithLock(PRUNE_LOCK, () => prune(store, options)))?.result;
}

async function prune(store: Store, options: PruneOptions): Promise<PruneReport> {
  await undoPrune(store.directory, store.removeTree);
  for (const path of sweepTemp(store.directory, fs.readdirSync(store.directory.at("tmp")))) {
    await removeOrWarn(store.directory, path, store.removeTree);
  }
  store.locks.sweep();
  rotateEvictions(store.directory);
  const { plan, limits, finder, recordIds } = survey(store, options);
  const removed = plan.removals.length > 0 ? await carryOut(store, finder, plan.removals) : [];
  tidyUses(store.directory, recordIds);
  const done = report({ ...plan, removals: removed }, options, limits);
  writeLedger(store, done.cacheAfter);
  return done;
}

interface Survey {
  readonly plan: PrunePlan;
  readonly limits: Thresholds;
  readonly finder: NeedsFinder;
  /** Of all records that are whole. */
  readonly recordIds: ReadonlySet<string>;
}

/** Takes stock and decides. */
function survey(store: Store, options: PruneOptions): Survey {
  const finder = new NeedsFinder(store);
  const leased = readProtected(store.directory);
  const entries = inventory(store.directory);
  const { records, unusable } = surveyRecords(store, finder, entries, leased.records);
  const now = options.now ?? store.directory.now();
  const limits = thresholdsOf(limitsOf(store, options), store.path, now);
  const plan = planPrune({
    entries,
    images: finder.ofImages(store.references.entries()),
    leases: finder.ofLeases(leased),
    records,
    unusable,
    maxBytes: options.all ? -1 : limits.maxBytes,
    mustFree: Math.max(0, limits.minFree - limits.free),
    usedBefore: limits.usedBefore,
    unreferencedBefore: options.all ? Number.POSITIVE_INFINITY : now - GRACE,
    only: options.only && new Set(options.only),
  });
  return { plan, limits, finder, recordIds: new Set(records.map(({ entry }) => entry.name.slice(-16))) };
}

function limitsOf(store: Store, { all, maxBytes, keepDuration, minFree }: PruneOptions): CacheLimits {
  if (all) return {};
  const isNone = maxBytes === undefined && keepDuration === undefined && minFree === undefined;
  return { maxBytes: isNone ? defaultLimit(store.path) : maxBytes, keepDuration, minFree };
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
    if (!record || !hasBlobs(record, entries)) continue;
    usable.set(entry.id, { entry, needs: finder.ofRecord(record), leased: leased.has(record.id) });
  }
  const unusable = [...entries.values()].filter((entry) => entry.kind === "record" && !usable.has(entry.id));
  return { records: [...usable.values()], unusable };
}

/** As {@link Records.hasBlobs}, from what was just listed. */
function hasBlobs({ sizes }: Envelope, entries: ReadonlyMap<EntryId, Entry>): boolean {
  return sizes.every(({ digest, size }) => entries.get(`blob.${hexOf(digest)}`)?.size === size);
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
      const evicted = gone.flatMap(evictionsOf);
      // Before they are gone for good: whoever is killed in between has noted too much, which no one asks for.
      const isNoted = noteEvictions(directory, evicted);
      await destroyAll(store, gone);
      if (!isNoted) noteEvictions(directory, evicted);
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

async function destroyAll(store: Store, gone: readonly Removal[]): Promise<void> {
  for (const [index, entry] of gone.entries()) {
    if (isTree(entry.kind)) await destroy(store.directory, entry, store.removeTree);
    else unlinkIfThere(store.directory.at("tombstones", entry.id));
    if (index % TURN === TURN - 1) await nextTurn();
  }
}

function evictionsOf({ kind, name, reason }: Removal): Evicted[] {
  return kind === "record" && /^[0-9a-f]{64}\./.test(name) ? [{ key: name.slice(0, 64), reason }] : [];
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

function report(plan: PrunePlan, options: PruneOptions, limits: Thresholds): PruneReport {
  const freed = plan.removals.reduce((sum, removal) => sum + removal.bytes, 0);
  const { maxBytes, minFree, free } = limits;
  return {
    removed: plan.removals,
    freed,
    cacheBefore: plan.cacheBefore,
    cacheAfter: plan.cacheBefore - freed,
    ...(Number.isFinite(maxBytes) ? { maxBytes } : {}),
    ...(minFree > 0 ? { minFree } : {}),
    free,
    ...(options.all || options.keepDuration === undefined ? {} : { keepDuration: options.keepDuration }),
    dryRun: options.dryRun ?? false,
  };
}
