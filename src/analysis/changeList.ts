/**
 * The paths that differ between two stacks, kept in columns: a million of them cost some 20 MB. Whoever goes through the list
 * gets an object for each path, made when it is asked for.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { CHANGE_KINDS, type ChangeKind, type TreeDifference } from "./compareTrees.js";
import { type ChangeReason, plainType, REASON, reasonNames, TYPE } from "./diffReasons.js";
import { realEntry } from "./stackLookup.js";

/** Types of files as they are told of. */
export type ChangedType = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo" | "whiteout";

const TYPE_NAMES: readonly ChangedType[] = Object.keys(TYPE) as ChangedType[];

/** What one side has at a path. */
export interface FileFacts {
  /** `whiteout` only where layers are compared by what they list; `hardlink` if what it leads to is not known. */
  readonly type: ChangedType;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content. */
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** SHA-256 of a file's content, 64 hex digits. */
  readonly digest?: string | undefined;
  /** Of symlinks; where layers are compared by what they list, of hard links too. */
  readonly link?: string | undefined;
  readonly device?: readonly [major: number, minor: number] | undefined;
  /** Values are bytes, a character each. */
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
  /** Number of the layer that it comes from, in its image. */
  readonly layer: number;
}

/** A path that differs. Texts: bytes that are not UTF-8 stand in them as lone surrogates. */
export interface FileChange {
  /** Without leading slash; the root is empty. */
  readonly path: string;
  readonly kind: ChangeKind;
  /** Why it is called changed, or `unread`. */
  readonly reasons: readonly ChangeReason[];
  readonly before?: FileFacts | undefined;
  readonly after?: FileFacts | undefined;
  /** Where the same content stood before (of what is added), or stands now (of what is removed). */
  readonly moved?: string | undefined;
}

/** The stacks that the entries of a list are of. */
export interface ListedStacks {
  readonly a: readonly LayerIndex[];
  readonly b: readonly LayerIndex[];
  /** Number in the image of the lowest layer of each stack. */
  readonly firstA: number;
  readonly firstB: number;
  /** The entries are told of as layers list them. */
  readonly own: boolean;
}

/** Columns that grow. */
class Numbers {
  #array = new Int32Array(64);

  set(at: number, value: number): void {
    if (at >= this.#array.length) {
      const larger = new Int32Array(this.#array.length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[at] = value;
  }

  get(at: number): number {
    return this.#array[at]!;
  }
}

/** See the top of this file. In the order of an index. */
export class ChangeList implements Iterable<FileChange> {
  readonly stacks: ListedStacks;
  readonly #flags = new Numbers();
  readonly #aLayers = new Numbers();
  readonly #aEntries = new Numbers();
  readonly #bLayers = new Numbers();
  readonly #bEntries = new Numbers();
  #moves: ReadonlyMap<number, number> = new Map();
  #length = 0;

  constructor(stacks: ListedStacks) {
    this.stacks = stacks;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes over what is told of. */
  add({ kind, reasons, aLayer, aEntry, bLayer, bEntry }: TreeDifference): void {
    const at = this.#length++;
    this.#flags.set(at, (reasons << 2) | CHANGE_KINDS.indexOf(kind));
    this.#aLayers.set(at, aLayer);
    this.#aEntries.set(at, aEntry);
    this.#bLayers.set(at, bLayer);
    this.#bEntries.set(at, bEntry);
  }

  /** Pairs of changes, both ways, that have the same content. */
  setMoves(moves: ReadonlyMap<number, number>): void {
    this.#moves = moves;
  }

  /** Files of the one side whose content the other has at another path. */
  get moves(): number {
    return this.#moves.size / 2;
  }

  kind(at: number): ChangeKind {
    return CHANGE_KINDS[this.#flags.get(at) & 3]!;
  }

  reasons(at: number): number {
    return this.#flags.get(at) >> 2;
  }

  /** Layer and entry of a side; -1 where it has none. */
  entry(at: number, side: "a" | "b"): { readonly layer: number; readonly entry: number } {
    const isA = side === "a";
    return {
      layer: (isA ? this.#aLayers : this.#bLayers).get(at),
      entry: (isA ? this.#aEntries : this.#bEntries).get(at),
    };
  }

  path(at: number): ByteString {
    const isA = this.#aEntries.get(at) >= 0;
    const { layer, entry } = this.entry(at, isA ? "a" : "b");
    return entry < 0 ? "" : this.stacks[isA ? "a" : "b"][layer]!.path(entry);
  }

  /** @throws RangeError past the end */
  at(at: number): FileChange {
    if (at < 0 || at >= this.#length) throw new RangeError(`there is no change ${at}`);
    const reasons = this.reasons(at);
    const [before, after] = [this.#facts(at, "a"), this.#facts(at, "b")];
    const moved = this.#moves.get(at);
    return {
      ...{ path: fromByteString(this.path(at)), kind: this.kind(at) },
      reasons: reasonNames(reasons),
      ...(before ? { before } : {}),
      ...(after ? { after } : {}),
      ...(moved === undefined ? {} : { moved: fromByteString(this.path(moved)) }),
    };
  }

  *[Symbol.iterator](): Generator<FileChange> {
    for (let at = 0; at < this.#length; at++) yield this.at(at);
  }

  toJSON(): FileChange[] {
    return [...this];
  }

  #facts(at: number, side: "a" | "b"): FileFacts | undefined {
    const { layer, entry } = this.entry(at, side);
    if (entry < 0) return undefined;
    const { own, firstA, firstB } = this.stacks;
    const stack = this.stacks[side];
    const real = own ? { layer, entry } : realEntry(stack, layer, entry);
    const number = layer + (side === "a" ? firstA : firstB);
    const facts = factsOf(stack[real?.layer ?? layer]!, real?.entry ?? entry, number, own, real !== undefined);
    return facts.type === "whiteout" && !own ? undefined : facts;
  }
}

function factsOf(index: LayerIndex, entry: number, layer: number, own: boolean, isReal: boolean): FileFacts {
  const number = index.columns.types[entry]!;
  const type = TYPE_NAMES[own || !isReal ? number : plainType(number)]!;
  const digest = type === "dir" ? undefined : index.digestHex(entry);
  const link = type === "symlink" || type === "hardlink" ? index.link(entry) : undefined;
  const [device, xattrs] = [index.device(entry), index.xattrs(entry)];
  return {
    type,
    mode: index.isImplied(entry) ? 0o755 : index.mode(entry),
    ...{ uid: index.uid(entry), gid: index.gid(entry), size: index.size(entry), mtime: index.mtime(entry) },
    ...(digest === undefined ? {} : { digest }),
    ...(link === undefined ? {} : { link: fromByteString(link) }),
    ...(device ? { device } : {}),
    ...(xattrs ? { xattrs } : {}),
    layer,
  };
}

/** Bytes that an entry adds to a file system: further names of an inode add nothing. */
export function addedBytes(index: LayerIndex | undefined, entry: number): number {
  return index === undefined || entry < 0 || index.columns.types[entry] !== TYPE.file ? 0 : index.size(entry);
}

/** True for changes of which it is not known what they are. */
export function isUnread(reasons: number): boolean {
  return (reasons & REASON.unread) !== 0;
}
