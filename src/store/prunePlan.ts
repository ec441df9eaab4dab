/** What garbage collection removes, and why: a pure decision from an inventory and needs. */
import type { Needs } from "./needs.js";
import type { Entry, EntryId, Kind } from "./tombstones.js";

/** Why something goes. */
export type RemovalReason =
  /** No reference, record or lease needs it. */
  | "unreferenced"
  /** A record that can never answer, or a snapshot that can never be used: damaged, or what it needs is gone. */
  | "unusable"
  /** A cache that is made again when it is needed: compressed blocks, stat caches, uncompressed companions, snapshots. */
  | "regenerable"
  /** A record, what a cache mount keeps, or what was fetched from elsewhere, that was not used for the longest time. */
  | "least recently used"
  /** Anything of the cache that was not used for as long as things are kept. */
  | "unused for too long"
  /** Needed only by records that go. */
  | "its records were removed";

/** One thing that goes. */
export interface Removal {
  readonly id: EntryId;
  readonly kind: Kind;
  readonly name: string;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Last use, or when it was written; milliseconds since 1970. */
  readonly used: number;
  readonly reason: RemovalReason;
}

/** A record as the decision sees it. */
export interface RecordNeeds {
  readonly entry: Entry;
  readonly needs: Needs;
  /** A living process uses it. */
  readonly leased: boolean;
}

/** All that the decision depends on. Times are milliseconds since 1970. */
export interface PruneInput {
  readonly entries: ReadonlyMap<EntryId, Entry>;
  /** Needs of references. */
  readonly images: Needs;
  /** Needs of leases. */
  readonly leases: Needs;
  readonly records: readonly RecordNeeds[];
  /** Records that cannot answer. */
  readonly unusable: readonly Entry[];
  /** The cache (everything that no reference needs) shall be at most this big. Below 0: none of it shall be left. */
  readonly maxBytes: number;
  /** At least so many bytes of it shall go. */
  readonly mustFree: number;
  /** What was used last before this time goes in any case. */
  readonly usedBefore: number;
  /** What nobody needs is removed if it was written before this time. */
  readonly unreferencedBefore: number;
  /** Only things of these kinds, and what only they need. Default: all. */
  readonly only?: ReadonlySet<Kind> | undefined;
}

/** What goes, and how big the cache is before and after, in bytes on disk. */
export interface PrunePlan {
  readonly removals: readonly Removal[];
  readonly cacheBefore: number;
  readonly cacheAfter: number;
}

/**
 * Decides: first what nobody needs, then what can be made again, then records, least recently used first; and of both what
 * is too old, however small the cache is.
 */
export function planPrune(input: PruneInput): PrunePlan {
  const decision = new Decision(input);
  decision.removeUnneeded();
  decision.removeRegenerable();
  decision.removeRecords();
  return decision.plan();
}

class Decision {
  readonly #input: PruneInput;
  readonly #left: Map<EntryId, Entry>;
  readonly #removals: Removal[] = [];
  readonly #strong = new Map<EntryId, number>();
  readonly #weak = new Map<EntryId, number>();
  readonly #cacheBefore: number;
  readonly #target: number;
  #cache: number;

  constructor(input: PruneInput) {
    this.#input = input;
    this.#left = new Map(input.entries);
    for (const needs of [input.images, input.leases, ...input.records.map((record) => record.needs)])
      this.#count(needs, 1);
    this.#cache = 0;
    for (const entry of input.entries.values()) if (this.#isCache(entry)) this.#cache += entry.bytes;
    this.#cacheBefore = this.#cache;
    this.#target = Math.min(input.maxBytes, this.#cacheBefore - input.mustFree);
  }

  plan(): PrunePlan {
    return { removals: this.#removals, cacheBefore: this.#cacheBefore, cacheAfter: this.#cache };
  }

  removeUnneeded(): void {
    if (this.#input.only) return;
    for (const entry of this.#input.unusable) this.#remove(entry, "unusable");
    for (const entry of [...this.#left.values()]) {
      if (entry.unusable && !this.#isNeeded(entry.id)) this.#remove(entry, "unusable");
    }
    for (const entry of [...this.#left.values()]) {
      if (UNNEEDED_KINDS.has(entry.kind) || this.#isNeeded(entry.id)) continue;
      if (entry.used < this.#input.unreferencedBefore) this.#remove(entry, "unreferenced");
    }
  }

  removeRegenerable(): void {
    const all = [...this.#left.values()];
    const snapshots = all.filter((entry) => entry.kind === "snapshot" && !this.#isNeeded(entry.id));
    const others = all.filter(
      (entry) => entry.kind === "block" || entry.kind === "stat" || this.#isCompanion(entry.id),
    );
    for (const entry of byUse(this.#wanted([...others, ...afterDeltas(snapshots)]))) {
      const cause = this.#causeFor(entry);
      if (!cause) return;
      this.#remove(entry, cause === "age" ? "unused for too long" : "regenerable");
    }
  }

  removeRecords(): void {
    const candidates = this.#input.records.filter((record) => !record.leased);
    const byEntry = new Map(candidates.map((record) => [record.entry.id, record]));
    const trees = [...this.#left.values()].filter((entry) => KEPT_TREES.has(entry.kind) && !this.#isNeeded(entry.id));
    for (const entry of byUse(this.#wanted([...trees, ...candidates.map((record) => record.entry)]))) {
      const cause = this.#causeFor(entry);
      if (!cause) return;
      this.#remove(entry, cause === "age" ? "unused for too long" : "least recently used");
      const needs = byEntry.get(entry.id)?.needs;
      if (needs) this.#release(needs);
    }
  }

  /** Takes back a record's needs and removes what no one else needs. */
  #release(needs: Needs): void {
    this.#count(needs, -1);
    for (const id of [...needs.strong, ...needs.weak]) {
      const entry = this.#left.get(id);
      if (entry && !this.#isNeeded(id)) this.#remove(entry, "its records were removed");
      else if (entry && this.#isCompanion(id) && this.#causeFor(entry)) this.#remove(entry, "regenerable");
    }
  }

  #wanted(entries: readonly Entry[]): readonly Entry[] {
    const { only } = this.#input;
    return only ? entries.filter(({ kind }) => only.has(kind)) : entries;
  }

  /** Which limit wants it to go, if any. */
  #causeFor(entry: Entry): "age" | "size" | undefined {
    if (entry.used < this.#input.usedBefore) return "age";
    return this.#cache > this.#target ? "size" : undefined;
  }

  #remove(entry: Entry, reason: RemovalReason): void {
    if (!this.#left.delete(entry.id)) return;
    const { id, kind, name, bytes, used } = entry;
    this.#removals.push({ id, kind, name, bytes, used, reason });
    if (this.#isCache(entry)) this.#cache -= bytes;
  }

  /** Tagged images are not cache: however big they are, they leave room for it. */
  #isCache(entry: Entry): boolean {
    return !this.#input.images.strong.has(entry.id);
  }

  #isNeeded(id: EntryId): boolean {
    return (this.#strong.get(id) ?? 0) > 0 || (this.#weak.get(id) ?? 0) > 0;
  }

  #isCompanion(id: EntryId): boolean {
    return id.startsWith("blob.") && (this.#strong.get(id) ?? 0) === 0 && (this.#weak.get(id) ?? 0) > 0;
  }

  #count(needs: Needs, by: number): void {
    for (const id of needs.strong) this.#strong.set(id, (this.#strong.get(id) ?? 0) + by);
    for (const id of needs.weak) this.#weak.set(id, (this.#weak.get(id) ?? 0) + by);
  }
}

/** Kinds that nobody refers to: they go by their last use, or when they cannot be used. */
const UNNEEDED_KINDS: ReadonlySet<Kind> = new Set<Kind>(["record", "block", "stat", "snapshot", "mount", "source"]);
/** Directories that cannot be made again from the store alone: they go with the records, by their last use. */
const KEPT_TREES: ReadonlySet<Kind> = new Set<Kind>(["mount", "source"]);

/** A snapshot is used whenever a delta on it is, and, where both were used at one time, goes after it. */
function afterDeltas(snapshots: readonly Entry[]): Entry[] {
  const used = new Map<EntryId, number>();
  for (const { base, used: time } of snapshots) {
    if (base !== undefined) used.set(base, Math.max(time, used.get(base) ?? 0));
  }
  return snapshots.map((entry) => {
    const onIt = used.get(entry.id);
    return onIt === undefined || onIt < entry.used ? entry : { ...entry, used: onIt + 1e-3 };
  });
}

function byUse(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => a.used - b.used || (a.id < b.id ? -1 : 1));
}
