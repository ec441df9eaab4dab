/**
 * Comparing two stacks of layers from their indexes alone. In go two stacks, lowest layer first; out come the paths that
 * differ, in the order of an index (a directory before what is in it, names in byte order), one after the other and without
 * an object for each. What both stacks have from the same entries, and directories whose digests are equal, is not entered.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import { NO_DIGEST } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { CompareFrame, type Found, State, subtreeReaders } from "./compareFrame.js";
import { compareEntries, REASON, type ReasonBits, sameDigest } from "./diffReasons.js";
import { isDangling, realEntry } from "./stackLookup.js";

/** What is the matter with a path. `unsettled`: shared layers that were not read decide whether and how it differs. */
export const CHANGE_KINDS = ["added", "removed", "changed", "unsettled"] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/**
 * A path that differs, while it is told. The same object serves for the next one. An entry of -1: the side does not have the
 * path, or only shared layers that were not read do.
 */
export interface TreeDifference {
  readonly kind: ChangeKind;
  /** Of `changed`; of all kinds `unread`: shared layers may hold more below. */
  readonly reasons: ReasonBits;
  readonly name: ByteString;
  /** 0 for the root. */
  readonly depth: number;
  path(): ByteString;
  /** Which layer of stack A says so, 0 the lowest, and its entry. May be a whiteout: A removes what B has. */
  readonly aLayer: number;
  readonly aEntry: number;
  readonly bLayer: number;
  readonly bEntry: number;
}

/** How stacks are compared. */
export interface TreeComparison {
  /** Also mtimes. Default: false. */
  readonly times?: boolean | undefined;
  /** Compare what two layers list, whiteouts among it, not what is seen: each stack has at most one layer then. */
  readonly own?: boolean | undefined;
  /** Below both stacks lie the same layers, of which nothing is known. */
  readonly unread?: boolean | undefined;
  /** Paths to which other names of their inode belong in A than in B: see linkDifferences.ts. */
  readonly links?: ReadonlySet<ByteString> | undefined;
  /** Told of paths that are the same although other entries say so: a layer lists again what was there. */
  readonly onSame?: ((same: TreeDifference) => void) | undefined;
}

/**
 * Compares two stacks.
 * @param a as they read on top of each other: see `pairStacks`
 * @param onDifference called for each path that differs; return false to leave out what is below
 */
export function compareTrees(
  a: readonly LayerIndex[],
  b: readonly LayerIndex[],
  onDifference: (difference: TreeDifference) => unknown,
  options: TreeComparison = {},
): void {
  new Comparison(a, b, onDifference, options).run();
}

class Comparison implements TreeDifference {
  kind: ChangeKind = "changed";
  reasons: ReasonBits = 0;
  aLayer = -1;
  aEntry = -1;
  bLayer = -1;
  bEntry = -1;
  readonly #a: readonly LayerIndex[];
  readonly #b: readonly LayerIndex[];
  readonly #tell: (difference: TreeDifference) => unknown;
  readonly #options: TreeComparison;
  readonly #entryComparison: { readonly times: boolean; readonly own: boolean };
  readonly #frames: CompareFrame[] = [];
  #frame: CompareFrame;
  /** Layers at the bottom that are the same in both. */
  readonly #shared: number;
  /** Paths of the links, and all directories above them. */
  readonly #aboveLinks = new Set<ByteString>();

  constructor(
    a: readonly LayerIndex[],
    b: readonly LayerIndex[],
    tell: (difference: TreeDifference) => unknown,
    options: TreeComparison,
  ) {
    this.#a = a;
    this.#b = b;
    this.#tell = tell;
    this.#options = options;
    this.#entryComparison = { times: options.times ?? false, own: options.own ?? false };
    let shared = 0;
    while (shared < a.length && a[shared] === b[shared]) shared++;
    this.#shared = shared;
    for (const path of options.links ?? []) addParents(path, this.#aboveLinks);
    this.#frame = this.#frameAt(0);
  }

  get name(): ByteString {
    return this.#frame.name;
  }

  get depth(): number {
    return this.#frame.depth;
  }

  path(): ByteString {
    return this.#pathAt(this.#frame.depth);
  }

  run(): void {
    const root = this.#frameAt(0);
    const { unread = false, own = false } = this.#options;
    root.a.takeRoot(this.#a, unread, own);
    root.b.takeRoot(this.#b, unread, own);
    this.#visit(root);
  }

  #frameAt(depth: number): CompareFrame {
    let frame = this.#frames[depth];
    if (frame === undefined) {
      frame = new CompareFrame(depth);
      this.#frames[depth] = frame;
    }
    return frame;
  }

  #pathAt(depth: number): ByteString {
    let path = "";
    for (let at = 1; at <= depth; at++) {
      const { name } = this.#frames[at]!;
      path = at === 1 ? name : `${path}/${name}`;
    }
    return path;
  }

  #visit(frame: CompareFrame): void {
    const { a, b } = frame;
    if (this.#isOver(frame)) return;
    this.#frame = frame;
    const goOn = this.#compare(frame);
    if (goOn === false || (!a.isDirectory && !b.isDirectory)) return;
    if (a.isDirectory && b.isDirectory && this.#sameBelow(frame)) return;
    this.#below(frame);
  }

  /** Neither side has anything there, or both have it from the same entry. */
  #isOver({ a, b }: CompareFrame): boolean {
    if (a.state !== State.there && b.state !== State.there) {
      return a.state !== State.unread && b.state !== State.unread;
    }
    const isSame = a.layer === b.layer && a.entry === b.entry && a.layer >= 0 && a.layer < this.#shared;
    return isSame && a.state === b.state && !a.isDirectory && this.#aboveLinks.size === 0;
  }

  /** Tells of a path if it differs. @returns false to leave out what is below */
  #compare(frame: CompareFrame): unknown {
    const { a, b } = frame;
    const isRoot = frame.depth === 0;
    if (a.state === State.there && b.state === State.there) {
      const reasons = this.#reasons(frame);
      if (reasons === REASON.unread) return this.#emit(frame, "unsettled", reasons);
      if (reasons !== 0) return this.#emit(frame, "changed", reasons);
      if (!isRoot && (a.layer !== b.layer || a.entry !== b.entry)) this.#emitSame(frame);
      return true;
    }
    if (isRoot) return true;
    if (a.state === State.unread || b.state === State.unread) {
      const told = a.state === State.unread ? b : a;
      // A directory that is only implied tells nothing of itself; what is in it does.
      const isSilent = told.isDirectory && !told.isListed && told.hasUnread;
      return isSilent || this.#emit(frame, "unsettled", REASON.unread);
    }
    const [there, kind] = a.state === State.there ? ([a, "removed"] as const) : ([b, "added"] as const);
    if (this.#entryComparison.own && this.#isOnlyImplied(frame, there)) return true;
    return this.#emit(frame, kind, there.hasUnread ? REASON.unread : 0);
  }

  /** The layer says nothing of the directory itself. */
  #isOnlyImplied({ a }: CompareFrame, there: Found): boolean {
    const index = (there === a ? this.#a : this.#b)[there.layer]!;
    return there.isDirectory && !there.isListed && !index.isOpaque(there.entry);
  }

  #emit(frame: CompareFrame, kind: ChangeKind, reasons: ReasonBits): unknown {
    this.#point(frame);
    this.kind = kind;
    this.reasons = reasons;
    return this.#tell(this);
  }

  #emitSame(frame: CompareFrame): void {
    const { onSame } = this.#options;
    if (onSame === undefined) return;
    this.#point(frame);
    this.reasons = 0;
    onSame(this);
  }

  #point({ a, b }: CompareFrame): void {
    this.aLayer = a.layer;
    this.aEntry = a.entry;
    this.bLayer = b.layer;
    this.bEntry = b.entry;
  }

  /** Of a path that both sides have. */
  #reasons(frame: CompareFrame): ReasonBits {
    const { a, b } = frame;
    let bits = a.isDirectory && b.isDirectory ? this.#reasonsOfDirectories(a, b) : this.#reasonsOfEntries(a, b);
    if (a.hasUnread !== b.hasUnread) bits |= REASON.unread;
    if (this.#aboveLinks.size > 0 && this.#options.links?.has(this.#pathAt(frame.depth))) bits |= REASON.hardlink;
    return bits;
  }

  #reasonsOfDirectories(a: Found, b: Found): ReasonBits {
    if (a.entry < 0 || b.entry < 0) return this.#reasonsOfMissingRoot(a, b);
    const bits = compareEntries(this.#a[a.layer]!, a.entry, this.#b[b.layer]!, b.entry, this.#entryComparison);
    if (a.isListed && b.isListed) return bits;
    if (this.#entryComparison.own) return bits & REASON.opaque;
    // What no layer lists has the metadata that shared layers give it.
    const [unknownA, unknownB] = [a, b].map((side) => !side.isListed && side.hasUnread);
    if (unknownA || unknownB) return unknownA === unknownB ? 0 : REASON.unread;
    return bits & ~REASON.time;
  }

  /** An image without layers has a root all the same: 0755, of root. */
  #reasonsOfMissingRoot(a: Found, b: Found): ReasonBits {
    const [side, stack] = a.entry < 0 ? [b, this.#b] : [a, this.#a];
    if (side.entry < 0 || !side.isListed || side.hasUnread) return 0;
    const index = stack[side.layer]!;
    const isPlain = index.mode(side.entry) === 0o755 && index.uid(side.entry) === 0 && index.gid(side.entry) === 0;
    return isPlain ? 0 : index.mode(side.entry) === 0o755 ? REASON.owner : REASON.mode;
  }

  #reasonsOfEntries(a: Found, b: Found): ReasonBits {
    const [indexA, indexB] = [this.#a[a.layer]!, this.#b[b.layer]!];
    const { own } = this.#entryComparison;
    if (own || !(isDangling(indexA, a.entry) || isDangling(indexB, b.entry))) {
      return compareEntries(indexA, a.entry, indexB, b.entry, this.#entryComparison);
    }
    return this.#reasonsOfLinks(a, b);
  }

  /** Hard links into lower layers are what they lead to. */
  #reasonsOfLinks(a: Found, b: Found): ReasonBits {
    const realA = realEntry(this.#a, a.layer, a.entry);
    const realB = realEntry(this.#b, b.layer, b.entry);
    if (realA && realB) {
      const [indexA, indexB] = [this.#a[realA.layer]!, this.#b[realB.layer]!];
      return compareEntries(indexA, realA.entry, indexB, realB.entry, this.#entryComparison);
    }
    const [linkA, linkB] = [this.#a[a.layer]!.link(a.entry), this.#b[b.layer]!.link(b.entry)];
    const unknown = this.#options.unread ? REASON.unread : REASON.content;
    return realA === undefined && realB === undefined && linkA === linkB ? 0 : unknown;
  }

  /** True if all below is made of entries that are the same, or say the same. */
  #sameBelow({ a, b, depth }: CompareFrame): boolean {
    if (a.count !== b.count || a.hasUnread !== b.hasUnread) return false;
    for (let at = 0; at < a.count; at++) {
      if (!this.#samePart(a.layers[at]!, a.entries[at]!, b.layers[at]!, b.entries[at]!)) return false;
    }
    return this.#aboveLinks.size === 0 || !this.#aboveLinks.has(this.#pathAt(depth));
  }

  #samePart(aLayer: number, aEntry: number, bLayer: number, bEntry: number): boolean {
    const [a, b] = [this.#a[aLayer]!, this.#b[bLayer]!];
    const isOne = a === b && aEntry === bEntry;
    if (isOne && aLayer === bLayer && aLayer < this.#shared) return true;
    if (!isOne) {
      if (this.#entryComparison.times || this.#options.onSame) return false;
      const [aSlot, bSlot] = [a.columns.digestSlots[aEntry]!, b.columns.digestSlots[bEntry]!];
      if (aSlot === NO_DIGEST || bSlot === NO_DIGEST || !sameDigest(a, aSlot, b, bSlot)) return false;
    }
    // What a hard link into lower layers leads to is not part of the digest.
    return this.#entryComparison.own || !(hasDangling(a, aEntry) || hasDangling(b, bEntry));
  }

  #below(frame: CompareFrame): void {
    const { a, b } = frame;
    const child = this.#frameAt(frame.depth + 1);
    const { own } = this.#entryComparison;
    const readersA = subtreeReaders(this.#a, a);
    const readersB = subtreeReaders(this.#b, b);
    // A side without the directory has nothing there, unless shared layers may have it.
    const unreadA = a.isDirectory ? a.hasUnread : a.state === State.unread;
    const unreadB = b.isDirectory ? b.hasUnread : b.state === State.unread;
    for (;;) {
      let least: ByteString | undefined;
      for (const { name } of readersA) if (name !== undefined && (least === undefined || name < least)) least = name;
      for (const { name } of readersB) if (name !== undefined && (least === undefined || name < least)) least = name;
      if (least === undefined) return;
      child.name = least;
      child.a.take(readersA, least, unreadA, own);
      child.b.take(readersB, least, unreadB, own);
      this.#visit(child);
    }
  }
}

function addParents(path: ByteString, to: Set<ByteString>): void {
  for (let at = path.length; at > 0; at = path.lastIndexOf("/", at - 1)) to.add(path.slice(0, at));
  to.add("");
}

const danglingLinks = new WeakMap<LayerIndex, readonly number[]>();

/** True if a hard link into lower layers is below a directory. Keys of an object that are numbers ascend. */
function hasDangling(index: LayerIndex, directory: number): boolean {
  let list = danglingLinks.get(index);
  if (list === undefined) {
    list = Object.keys(index.columns.extras.links)
      .map(Number)
      .filter((entry) => isDangling(index, entry));
    danglingLinks.set(index, list);
  }
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! > directory) high = middle;
    else low = middle + 1;
  }
  return low < list.length && list[low]! < index.end(directory);
}
