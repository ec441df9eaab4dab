/** How much room the cache takes, by kinds of things, and what of it can be had back. Adds up to what the store takes. */
import { NeedsFinder } from "../store/needs.js";
import { pruneStore } from "../store/prune.js";
import type { Store } from "../store/store.js";
import { type EntryId, inventory, type Kind } from "../store/tombstones.js";
import { type Amount, storeUsage } from "../store/usage.js";

/** Kinds as people tell them apart. */
export type DiskKind =
  | "layers and documents"
  | "indexes of layers"
  | "records of steps"
  | "lists of files"
  | "snapshots"
  | "cache mounts"
  | "sources"
  | "compressed blocks"
  | "stat caches";

/** The room of one kind. Bytes on disk. */
export interface DiskUse extends Amount {
  readonly kind: DiskKind;
  /** What named images need of it: not cache. */
  readonly shared: number;
  /** What `prune --all` would free now. */
  readonly reclaimable: number;
  /** Of the thing used last; milliseconds since 1970. Absent where there is none. */
  readonly lastUsed?: number | undefined;
}

/** The room that a store takes. Bytes on disk. */
export interface CacheDisk {
  readonly kinds: readonly DiskUse[];
  /** What named images need. */
  readonly shared: number;
  /** The cache: what no named image needs. */
  readonly private: number;
  /** What `prune --all` would free now; the rest is in use. */
  readonly reclaimable: number;
  /** Logs, leases, temporary files and the like, which are neither. */
  readonly other: number;
  readonly total: number;
}

const KIND_NAMES: Readonly<Record<Kind, DiskKind>> = {
  blob: "layers and documents",
  index: "indexes of layers",
  notes: "indexes of layers",
  record: "records of steps",
  list: "lists of files",
  snapshot: "snapshots",
  mount: "cache mounts",
  source: "sources",
  block: "compressed blocks",
  stat: "stat caches",
};

type Tally = { -readonly [key in keyof DiskUse]: DiskUse[key] };

/** Measures. Looks at every file's size, and reads records, manifests and configs. */
export async function cacheDisk(store: Store): Promise<CacheDisk> {
  const { removed } = await pruneStore(store, { all: true, dryRun: true });
  const removable = new Set<EntryId>(removed.map(({ id }) => id));
  const needed = new NeedsFinder(store).ofImages(store.references.entries()).strong;
  const tallies = new Map<DiskKind, Tally>();
  let [shared, known] = [0, 0];
  for (const { id, kind, bytes, used } of inventory(store.directory).values()) {
    const name = KIND_NAMES[kind];
    const tally = tallies.get(name) ?? { kind: name, count: 0, bytes: 0, shared: 0, reclaimable: 0 };
    tallies.set(name, tally);
    tally.count++;
    tally.bytes += bytes;
    if (needed.has(id)) tally.shared += bytes;
    if (removable.has(id)) tally.reclaimable += bytes;
    tally.lastUsed = Math.max(tally.lastUsed ?? 0, used);
    shared += needed.has(id) ? bytes : 0;
    known += bytes;
  }
  const kinds = [...tallies.values()].sort((a, b) => b.bytes - a.bytes || (a.kind < b.kind ? -1 : 1));
  const reclaimable = kinds.reduce((sum, kind) => sum + kind.reclaimable, 0);
  const total = storeUsage(store).total.bytes;
  return { kinds, shared, private: known - shared, reclaimable, other: Math.max(0, total - known), total };
}
