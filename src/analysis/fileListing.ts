/**
 * The files of an image, or of one of its layers with what it changes, as a list in columns: a number for each fact of each
 * file, so that a million of them are some tens of megabytes. Objects are made of them one at a time, while they are read.
 */
import type { IndexType, LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { type ChangeReason, type ReasonBits, reasonNames } from "./diffReasons.js";
import { realEntry } from "./stackLookup.js";

/**
 * What a layer does to a path: `touched`: only its time is another; `unchanged`: it is listed again as it was; `removed`: a
 * whiteout, an opaque directory or a file in the place of a directory hides it.
 */
export const CHANGE_MARKS = ["added", "modified", "touched", "removed", "unchanged"] as const;
export type ChangeMark = (typeof CHANGE_MARKS)[number];

/** A file of a listing. */
export interface ListedFile {
  /** From the root of the image, without a slash at its beginning; the root is empty. */
  readonly path: string;
  /** Of whatever bytes. */
  readonly pathBytes: ByteString;
  readonly name: string;
  /** 0 for what the listing begins with. */
  readonly depth: number;
  readonly type: Exclude<IndexType, "hardlink">;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /**
   * Bytes of a file; of a directory those of all files below, inodes with several names once. What is removed does not
   * count: see {@link removedBytes}.
   */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Target of a symlink; of a further name of an inode the first one. */
  readonly link?: string | undefined;
  /** It is a further name of an inode. */
  readonly isHardLink: boolean;
  readonly device?: readonly [major: number, minor: number] | undefined;
  /** Names of extended attributes. */
  readonly xattrs?: readonly string[] | undefined;
  /** SHA-256 of a file's content, 64 hex digits. */
  readonly digest?: string | undefined;
  /** Number of the layer that it comes from: of what is removed, the layer that had it. */
  readonly layer: number;
  /** Of listings of one layer. */
  readonly change?: ChangeMark | undefined;
  /** What is different about it. */
  readonly reasons?: readonly ChangeReason[] | undefined;
  /** The layer hides what lower ones have in this directory. */
  readonly isOpaque: boolean;
  /** Bytes of lower layers that the layer removes here: of a file, or of all below a directory. */
  readonly removedBytes?: number | undefined;
}

/** Facts of a row that fit into bits. */
export const ROW = {
  /** It passed the filters. */
  kept: 1,
  /** Something below it passed. */
  context: 2,
  /** It went with a directory that is removed as a whole. */
  withParent: 4,
  hardLink: 8,
  opaque: 16,
} as const;

/** Sums over a listing, whatever the filters. */
export interface ListingTotals {
  /** Everything but directories. */
  readonly files: number;
  readonly directories: number;
  /** Bytes of regular files, inodes with several names once. */
  readonly bytes: number;
  /** Of a layer: how many paths of each kind. What goes with a directory counts. */
  readonly changes?: Readonly<Record<ChangeMark, number>> | undefined;
  readonly removedBytes?: number | undefined;
  /** Something lies deeper than the listing goes. */
  readonly isCut: boolean;
}

const FIRST_CAPACITY = 4096;

/** The columns, while they are filled and after. */
export class ListingColumns {
  count = 0;
  layers = new Int32Array(FIRST_CAPACITY);
  entries = new Int32Array(FIRST_CAPACITY);
  sizes = new Float64Array(FIRST_CAPACITY);
  removed = new Float64Array(FIRST_CAPACITY);
  /** The first row that is not below this one. */
  ends = new Int32Array(FIRST_CAPACITY);
  depths = new Uint16Array(FIRST_CAPACITY);
  /** 0: no change is told, else the position in CHANGE_MARKS and 1. */
  changes = new Uint8Array(FIRST_CAPACITY);
  reasons = new Uint16Array(FIRST_CAPACITY);
  flags = new Uint8Array(FIRST_CAPACITY);

  /** @returns its number */
  add(layer: number, entry: number, depth: number, flags: number): number {
    if (this.count === this.layers.length) this.#grow();
    const row = this.count++;
    this.layers[row] = layer;
    this.entries[row] = entry;
    this.depths[row] = depth;
    this.flags[row] = flags;
    this.ends[row] = row + 1;
    return row;
  }

  setChange(row: number, change: ChangeMark, reasons: ReasonBits): void {
    this.changes[row] = CHANGE_MARKS.indexOf(change) + 1;
    this.reasons[row] = reasons;
  }

  #grow(): void {
    const capacity = this.layers.length * 2;
    this.layers = copied(this.layers, new Int32Array(capacity));
    this.entries = copied(this.entries, new Int32Array(capacity));
    this.sizes = copied(this.sizes, new Float64Array(capacity));
    this.removed = copied(this.removed, new Float64Array(capacity));
    this.ends = copied(this.ends, new Int32Array(capacity));
    this.depths = copied(this.depths, new Uint16Array(capacity));
    this.changes = copied(this.changes, new Uint8Array(capacity));
    this.reasons = copied(this.reasons, new Uint16Array(capacity));
    this.flags = copied(this.flags, new Uint8Array(capacity));
  }
}

function copied<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** A listing; see the top of this file. */
export class FileListing {
  readonly totals: ListingTotals;
  readonly #columns: ListingColumns;
  readonly #stack: readonly LayerIndex[];

  constructor(columns: ListingColumns, stack: readonly LayerIndex[], totals: ListingTotals) {
    this.#columns = columns;
    this.#stack = stack;
    this.totals = totals;
  }

  /** Numbers of the rows that passed the filters, directories before what is in them, names in byte order. */
  *rows(): Generator<number> {
    const { count, flags } = this.#columns;
    for (let row = 0; row < count; row++) if ((flags[row]! & ROW.kept) !== 0) yield row;
  }

  /** The same, largest first; at most `limit` of them. What has the same size keeps its order. */
  bySize(limit = Number.POSITIVE_INFINITY): Uint32Array {
    const all = Uint32Array.from(this.rows());
    const { sizes, removed } = this.#columns;
    const weight = (row: number): number => sizes[row]! + removed[row]!;
    if (limit >= all.length) return all.sort((a, b) => weight(b) - weight(a) || a - b);
    // The least size that is among the largest: only what has at least that is sorted row by row.
    const ordered = Float64Array.from(all, weight).sort();
    const least = limit < 1 ? Number.POSITIVE_INFINITY : ordered[ordered.length - limit]!;
    const largest = all.filter((row) => weight(row) >= least).sort((a, b) => weight(b) - weight(a) || a - b);
    return largest.subarray(0, Math.max(0, limit));
  }

  /** Rows directly below a row, or the first of all: those that passed, and those that lead to them. */
  below(row: number | undefined): number[] {
    const { count, ends, flags } = this.#columns;
    const end = row === undefined ? count : ends[row]!;
    const found: number[] = [];
    for (let at = row === undefined ? 0 : row + 1; at < end; at = ends[at]!) {
      if ((flags[at]! & (ROW.kept | ROW.context)) !== 0) found.push(at);
    }
    return found;
  }

  /** User and group of a row: `0:0`. */
  owner(row: number): string {
    const { layers, entries } = this.#columns;
    const { uids, gids } = this.#stack[layers[row]!]!.columns;
    return `${uids[entries[row]!]}:${gids[entries[row]!]}`;
  }

  /** Bytes by which rows are ordered. */
  weight(row: number): number {
    return this.#columns.sizes[row]! + this.#columns.removed[row]!;
  }

  /** True if the row is only there for what is below it. */
  isContext(row: number): boolean {
    return (this.#columns.flags[row]! & ROW.kept) === 0;
  }

  file(row: number): ListedFile {
    const columns = this.#columns;
    const layer = columns.layers[row]!;
    const listed = this.#stack[layer]!;
    const name = columns.entries[row]!;
    // A hard link into a lower layer is what it leads to.
    const real = realEntry(this.#stack, layer, name) ?? { layer, entry: name };
    const [index, entry] = [this.#stack[real.layer]!, real.entry];
    const raw = index.type(entry);
    const type = raw === "hardlink" ? "file" : raw;
    const flags = columns.flags[row]!;
    const change = columns.changes[row]! === 0 ? undefined : CHANGE_MARKS[columns.changes[row]! - 1];
    const [device, xattrs] = [index.device(entry), index.xattrs(entry)];
    const link = listed.link(name) ?? index.link(entry);
    const digest = type === "file" ? index.digestHex(entry) : undefined;
    const pathBytes = listed.path(name);
    return {
      ...{ path: fromByteString(pathBytes), pathBytes, name: fromByteString(listed.name(name)) },
      ...{ depth: columns.depths[row]!, type, mode: index.mode(entry), uid: index.uid(entry), gid: index.gid(entry) },
      ...{ size: columns.sizes[row]!, mtime: index.mtime(entry), isHardLink: (flags & ROW.hardLink) !== 0 },
      ...(link === undefined ? {} : { link: fromByteString(link) }),
      ...(device === undefined ? {} : { device }),
      ...(xattrs === undefined ? {} : { xattrs: Object.keys(xattrs).map(fromByteString) }),
      ...(digest === undefined ? {} : { digest }),
      layer,
      ...(change === undefined ? {} : { change, reasons: reasonNames(columns.reasons[row]!) }),
      isOpaque: (flags & ROW.opaque) !== 0,
      ...(columns.removed[row]! > 0 ? { removedBytes: columns.removed[row]! } : {}),
    };
  }
}
