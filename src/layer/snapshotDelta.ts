/**
 * What a new version of a layer changes in the directory of an old one: a *delta directory* that, laid over the old
 * layer's directory by overlayfs, shows what the new layer's own would. Where one of 80,000 files has changed, making
 * such a directory costs what the change costs.
 *
 * The two indexes are compared column by column, side by side, without an object for what is equal.
 */
import type { ByteString } from "../support/bytes.js";
import { type FileTree, lookup } from "./fileTree.js";
import { FLAG_IMPLIED, FLAG_OPAQUE, INDEX_TYPES, type LayerIndex, NO_DIGEST } from "./layerIndex.js";

/** What a delta directory holds. */
export interface SnapshotDelta {
  /** Entries of the new index, ascending, with all directories above them. */
  readonly entries: readonly number[];
  /** Paths that get a whiteout, each in a directory that is among the entries. */
  readonly removed: readonly ByteString[];
}

/** With more than this share of the new layer's entries changed, it is unpacked as a whole. */
const MOST_CHANGED = 0.25;

const DIR = INDEX_TYPES.indexOf("dir");
const FILE = INDEX_TYPES.indexOf("file");
const SYMLINK = INDEX_TYPES.indexOf("symlink");
const HARD_LINK = INDEX_TYPES.indexOf("hardlink");
const CHAR = INDEX_TYPES.indexOf("char");
const BLOCK = INDEX_TYPES.indexOf("block");
const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

/**
 * The delta from an old layer, of which there is a whole directory, to a new one in the same place of a stack.
 * @param below makes the tree of the layers below; called only if a name is gone or has become a directory
 * @returns undefined where it would not show the same as the new layer's own directory, or would be too big
 */
export function snapshotDelta(old: LayerIndex, fresh: LayerIndex, below: () => FileTree): SnapshotDelta | undefined {
  if (!isPlain(old) || !isPlain(fresh)) return undefined;
  const comparison = new Comparison(old, fresh);
  comparison.run();
  comparison.closeGroups();
  if (!canOverlay(comparison, below)) return undefined;
  const entries = comparison.withParents();
  if (entries.length + comparison.removed.length > fresh.count * MOST_CHANGED) return undefined;
  return { entries, removed: comparison.removed.map((entry) => old.path(entry)) };
}

/** Layers whose directory says everything by itself: no whiteouts, nothing opaque, no parents or links left to others. */
function isPlain(index: LayerIndex): boolean {
  const { count, types, flags, contentOffsets } = index.columns;
  if ((flags[0]! & FLAG_OPAQUE) !== 0) return false;
  for (let entry = 1; entry < count; entry++) {
    if ((flags[entry]! & (FLAG_IMPLIED | FLAG_OPAQUE)) !== 0 || types[entry] === WHITEOUT) return false;
    if (types[entry] === HARD_LINK && contentOffsets[entry]! < 0) return false;
  }
  return true;
}

/**
 * A whiteout hides what the layers below have too, which the new layer alone would show; and a directory over what was
 * none in the old layer does not merge with a directory below that.
 */
function canOverlay(comparison: Comparison, below: () => FileTree): boolean {
  const { removed, becameDirectories, old, fresh } = comparison;
  if (removed.length === 0 && becameDirectories.length === 0) return true;
  const tree = below();
  return (
    removed.every((entry) => lookup(tree, old.path(entry)) === undefined) &&
    becameDirectories.every((entry) => lookup(tree, fresh.path(entry))?.type !== "dir")
  );
}

class Comparison {
  readonly old: LayerIndex;
  readonly fresh: LayerIndex;
  /** Topmost entries of the old index that the new one has no name for. */
  readonly removed: number[] = [];
  /** Directories of the new index where the old one has something else. */
  readonly becameDirectories: number[] = [];
  /** For each entry of the new index: 1 if it goes into the delta. */
  readonly #changed: Uint8Array;
  /** For each entry of the old index: the new one of its name, or -1. */
  readonly #counterpart: Int32Array;

  constructor(old: LayerIndex, fresh: LayerIndex) {
    this.old = old;
    this.fresh = fresh;
    this.#changed = new Uint8Array(fresh.count);
    this.#counterpart = new Int32Array(old.count).fill(-1);
    this.#counterpart[0] = 0;
  }

  /** Walks both indexes at once; they are sorted alike, directory by directory. */
  run(): void {
    const oldEnds = this.old.columns.ends;
    const freshEnds = this.fresh.columns.ends;
    const open: [oldEnd: number, freshEnd: number][] = [];
    let [a, b] = [1, 1];
    let [aEnd, bEnd] = [this.old.count, this.fresh.count];
    for (;;) {
      while (a === aEnd && b === bEnd) {
        const above = open.pop();
        if (above === undefined) return;
        [aEnd, bEnd] = above;
      }
      const order = a === aEnd ? 1 : b === bEnd ? -1 : this.#compareNames(a, b);
      if (order < 0) {
        this.removed.push(a);
        a = oldEnds[a]!;
      } else if (order > 0) {
        this.#changed.fill(1, b, freshEnds[b]!);
        b = freshEnds[b]!;
      } else if (this.#match(a, b)) {
        // Both are directories: on with what is in them.
        open.push([aEnd, bEnd]);
        [aEnd, bEnd] = [oldEnds[a]!, freshEnds[b]!];
        a++;
        b++;
      } else {
        a = oldEnds[a]!;
        b = freshEnds[b]!;
      }
    }
  }

  /** Of an inode with several names all go along as soon as one does, and also those that have lost or won a name. */
  closeGroups(): void {
    const oldGroups = groupsOf(this.old);
    const freshGroups = groupsOf(this.fresh);
    if (oldGroups.size === 0 && freshGroups.size === 0) return;
    const all = [
      ...[...freshGroups.values()].map((group) => ({ group, complete: true })),
      ...[...oldGroups.values()].map((names) => {
        const group = names.map((entry) => this.#counterpart[entry]!).filter((entry) => entry >= 0);
        return { group, complete: group.length === names.length };
      }),
    ];
    for (let again = true; again; ) {
      again = false;
      for (const { group, complete } of all) {
        const some = !complete || group.some((entry) => this.#changed[entry] === 1);
        if (!some || group.every((entry) => this.#changed[entry] === 1)) continue;
        for (const entry of group) this.#changed[entry] = 1;
        again = true;
      }
    }
  }

  /** What goes into the delta, with the directories above it and those in which something is removed. */
  withParents(): number[] {
    const { parents } = this.fresh.columns;
    const wanted = this.#changed;
    for (const entry of this.removed) wanted[this.#counterpart[this.old.columns.parents[entry]!]!] = 1;
    const entries: number[] = [];
    for (let entry = this.fresh.count - 1; entry > 0; entry--) {
      if (wanted[entry] !== 1) continue;
      wanted[parents[entry]!] = 1;
      entries.push(entry);
    }
    entries.push(0);
    return entries.reverse();
  }

  /** Compares two entries of one name. @returns true if both are directories */
  #match(a: number, b: number): boolean {
    this.#counterpart[a] = b;
    const [was, is] = [this.old.columns.types[a]!, this.fresh.columns.types[b]!];
    if (was === is) {
      if (!this.#isEqual(a, b, is)) this.#changed[b] = 1;
      return is === DIR;
    }
    if (is === DIR) this.becameDirectories.push(b);
    this.#changed.fill(1, b, this.fresh.end(b));
    return false;
  }

  #isEqual(a: number, b: number, type: number): boolean {
    const [x, y] = [this.old.columns, this.fresh.columns];
    if (x.modes[a] !== y.modes[b] || x.uids[a] !== y.uids[b] || x.gids[a] !== y.gids[b]) return false;
    if (x.mtimes[a] !== y.mtimes[b] || !this.#sameXattrs(a, b)) return false;
    if (type === FILE || type === HARD_LINK) {
      if (x.sizes[a] !== y.sizes[b] || !this.#sameContent(a, b)) return false;
    }
    if (type === SYMLINK || type === HARD_LINK) return this.old.link(a) === this.fresh.link(b);
    return (type !== CHAR && type !== BLOCK) || String(this.old.device(a)) === String(this.fresh.device(b));
  }

  #sameContent(a: number, b: number): boolean {
    const [x, y] = [this.old.columns, this.fresh.columns];
    if (x.sizes[a] === 0) return true;
    const [s, t] = [x.digestSlots[a]!, y.digestSlots[b]!];
    if (s === NO_DIGEST || t === NO_DIGEST) return false;
    for (let i = 0; i < 32; i++) if (x.digests[s * 32 + i] !== y.digests[t * 32 + i]) return false;
    return true;
  }

  #sameXattrs(a: number, b: number): boolean {
    const [x, y] = [this.old.columns.extras.xattrs[a], this.fresh.columns.extras.xattrs[b]];
    if (x === undefined || y === undefined) return x === y;
    const names = Object.keys(x);
    return names.length === Object.keys(y).length && names.every((name) => x[name] === y[name]);
  }

  #compareNames(a: number, b: number): number {
    const [x, y] = [this.old.columns, this.fresh.columns];
    const [from, to] = [x.nameStarts[a]!, y.nameStarts[b]!];
    const [length, other] = [x.nameStarts[a + 1]! - from, y.nameStarts[b + 1]! - to];
    const common = Math.min(length, other);
    for (let i = 0; i < common; i++) {
      const difference = x.names[from + i]! - y.names[to + i]!;
      if (difference !== 0) return difference;
    }
    return length - other;
  }
}

/** All names of each inode that has several. */
function groupsOf(index: LayerIndex): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const [entry, first] of index.firstNames()) {
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [entry]);
    else group.push(entry);
  }
  return groups;
}
