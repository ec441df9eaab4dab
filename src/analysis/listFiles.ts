/**
 * Listing the files of an image. In go indexes of layers and what is wanted; out comes a listing in columns. A view of the
 * stack shows what a container would see; a view of one layer what that layer lists and what it does to the layers below.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { compareEntries, plainType, REASON, type ReasonBits, TYPE } from "./diffReasons.js";
import { CHANGE_MARKS, type ChangeMark, FileListing, ListingColumns, ROW } from "./fileListing.js";
import { compilePathPatterns } from "./pathPatterns.js";
import { compilePathRegex } from "./pathRegex.js";
import { realEntry } from "./stackLookup.js";
import { type StackCursor, type StackVisitor, walkStack } from "./stackWalk.js";

/** Which files a listing has. */
export interface FileFilter {
  /** Patterns, of which one must fit: see `compilePathPatterns`. What fits a directory fits all below it. */
  readonly globs?: readonly string[] | undefined;
  /** Regular expressions, of which one must fit. */
  readonly regexes?: readonly string[] | undefined;
  /** Of one layer: what it must have done. */
  readonly changes?: readonly ChangeMark[] | undefined;
  /** Bytes. */
  readonly minSize?: number | undefined;
  /** Directories only, or everything but directories. */
  readonly only?: "directories" | "files" | undefined;
  /** Levels below the path; 0: only the path itself. */
  readonly depth?: number | undefined;
  /** Also each file of directories that are removed as a whole. */
  readonly removedBelow?: boolean | undefined;
}

/** A listing to be made. */
export interface ListingRequest extends FileFilter {
  /** Where it begins, clean; default: the root. */
  readonly path?: ByteString | undefined;
  /** Only what the topmost layer of the stack has and does. */
  readonly ownLayer?: boolean | undefined;
}

/**
 * Makes a listing.
 * @param stack as it reads, lowest first
 * @throws NacreError USAGE for a malformed pattern
 */
export function listStack(stack: readonly LayerIndex[], request: ListingRequest): FileListing {
  const lister = new Lister(stack, request);
  walkStack(stack, lister, { hidden: request.ownLayer === true });
  return lister.finish();
}

class Lister implements StackVisitor {
  readonly #stack: readonly LayerIndex[];
  readonly #columns = new ListingColumns();
  readonly #start: readonly ByteString[];
  /** The layer whose changes are told, or -1. */
  readonly #own: number;
  readonly #depth: number;
  readonly #accepts: (row: number, path: () => ByteString) => boolean;
  readonly #removedBelow: boolean;
  /** By depth of the walk: bytes so far, and the row; -1 where there is none. */
  readonly #bytes: number[] = [];
  readonly #removed: number[] = [];
  readonly #rows: number[] = [];
  /** First names of inodes that have been counted. */
  readonly #counted = new Set<number>();
  /** Depth of a directory that is gone as a whole, while what it held is visited. */
  #goneAt = Number.POSITIVE_INFINITY;
  readonly #changes = Object.fromEntries(CHANGE_MARKS.map((change) => [change, 0])) as Record<ChangeMark, number>;
  #files = 0;
  #directories = 0;
  #isCut = false;

  constructor(stack: readonly LayerIndex[], request: ListingRequest) {
    this.#stack = stack;
    this.#own = request.ownLayer === true ? stack.length - 1 : -1;
    this.#start = request.path ? request.path.split("/") : [];
    this.#depth = request.depth ?? Number.POSITIVE_INFINITY;
    this.#removedBelow = request.removedBelow ?? false;
    this.#accepts = filterOf(request, this.#columns, stack);
  }

  enter(cursor: StackCursor): boolean {
    const { depth } = cursor;
    this.#bytes[depth] = 0;
    this.#removed[depth] = 0;
    this.#rows[depth] = -1;
    if (depth > 0 && depth <= this.#start.length && cursor.name !== this.#start[depth - 1]) return false;
    if (depth <= this.#goneAt) this.#goneAt = Number.POSITIVE_INFINITY;
    return this.#own < 0 ? this.#seen(cursor) : this.#changed(cursor);
  }

  leave({ depth }: StackCursor): void {
    const [bytes, removed, row] = [this.#bytes[depth]!, this.#removed[depth]!, this.#rows[depth]!];
    if (depth > 0) {
      this.#bytes[depth - 1]! += bytes;
      this.#removed[depth - 1]! += removed;
    }
    if (row < 0) return;
    const columns = this.#columns;
    // A file in the place of a directory has its own size, and what it removes.
    if (this.#isDirectory(row)) columns.sizes[row] = bytes;
    columns.removed[row] = removed;
    columns.ends[row] = columns.count;
    this.#keep(row, depth);
  }

  finish(): FileListing {
    const isEmpty = this.#columns.count === 0;
    const bytes = isEmpty ? 0 : this.#columns.sizes[0]!;
    const removedBytes = isEmpty ? 0 : this.#columns.removed[0]!;
    const changes = this.#own < 0 ? {} : { changes: this.#changes, removedBytes };
    const totals = { files: this.#files, directories: this.#directories, bytes, isCut: this.#isCut, ...changes };
    return new FileListing(this.#columns, this.#stack, totals);
  }

  /** A path of a stack. */
  #seen(cursor: StackCursor): boolean {
    const version = cursor.visible;
    this.#row(cursor, cursor.layer(version), cursor.entry(version), cursor.isDirectory, false);
    return true;
  }

  /** A path as one layer changes it. @returns false where neither it nor what is below has to do with that layer */
  #changed(cursor: StackCursor): boolean {
    const top = cursor.count - 1;
    const isOwn = cursor.layer(top) === this.#own;
    const before = this.#before(cursor);
    if (isOwn && cursor.index(top).columns.types[cursor.entry(top)] !== TYPE.whiteout) {
      this.#listed(cursor, top, before);
      return true;
    }
    if (before < 0) {
      if (isOwn) this.#gone(cursor, top);
      return false;
    }
    // Nothing of this layer is here, and nothing of it above hides it.
    if (!isOwn && cursor.hiddenBy(before) !== this.#own) return false;
    this.#gone(cursor, before);
    return true;
  }

  /** The version that was seen below the layer, of a directory the one that describes it; -1 if there was none. */
  #before(cursor: StackCursor): number {
    let first = -1;
    for (let version = cursor.count - 1; version >= 0; version--) {
      if (cursor.layer(version) === this.#own) continue;
      const hider = cursor.hiddenBy(version);
      const index = cursor.index(version);
      const entry = cursor.entry(version);
      if ((hider >= 0 && hider !== this.#own) || index.columns.types[entry] === TYPE.whiteout) return first;
      if (!index.isImplied(entry)) return version;
      if (first < 0) first = version;
    }
    return first;
  }

  /** The layer lists the path. */
  #listed(cursor: StackCursor, top: number, before: number): void {
    const index = cursor.index(top);
    const entry = cursor.entry(top);
    const isDirectory = index.columns.types[entry] === TYPE.dir;
    const row = this.#row(cursor, this.#own, entry, isDirectory, false);
    const { change, bits } = this.#difference(cursor, top, before);
    // A directory that is only implied is on the way to what the layer does; the root is always there.
    if (index.isImplied(entry) && (change === "unchanged" || cursor.depth === 0)) {
      if (row >= 0) this.#columns.setChange(row, "unchanged", 0);
      return;
    }
    this.#count(change, cursor.depth);
    // What was in a directory that is a file now went with it.
    if (!isDirectory && before >= 0 && (bits & REASON.type) !== 0) this.#goneAt = Math.min(this.#goneAt, cursor.depth);
    if (row >= 0) this.#columns.setChange(row, change, bits);
    if (row >= 0 && !isDirectory) this.#keep(row, cursor.depth);
  }

  #count(change: ChangeMark, depth: number): void {
    if (depth >= this.#start.length) this.#changes[change]++;
  }

  #isDirectory(row: number): boolean {
    const { layers, entries } = this.#columns;
    return this.#stack[layers[row]!]!.columns.types[entries[row]!] === TYPE.dir;
  }

  #difference(cursor: StackCursor, top: number, before: number): { change: ChangeMark; bits: ReasonBits } {
    if (before < 0) return { change: "added", bits: 0 };
    const old = realEntry(this.#stack, cursor.layer(before), cursor.entry(before));
    const now = realEntry(this.#stack, this.#own, cursor.entry(top));
    if (old === undefined || now === undefined) return { change: "modified", bits: REASON.hardlink };
    const [from, to] = [this.#stack[old.layer]!, this.#stack[now.layer]!];
    const bits = compareEntries(from, old.entry, to, now.entry, { times: true, own: false });
    const isOpaque = cursor.index(top).isOpaque(cursor.entry(top)) && from.columns.types[old.entry] === TYPE.dir;
    // What is implied has no metadata of its own.
    const isImplied = cursor.index(top).isImplied(cursor.entry(top));
    const all = (isImplied ? bits & REASON.type : bits) | (isOpaque ? REASON.opaque : 0);
    if (all === 0) return { change: "unchanged", bits: 0 };
    return { change: all === REASON.time ? "touched" : "modified", bits: all };
  }

  /** The layer removes the path: it is shown as it was. */
  #gone(cursor: StackCursor, version: number): void {
    const { depth } = cursor;
    const index = cursor.index(version);
    const entry = cursor.entry(version);
    const isDirectory = index.columns.types[entry] === TYPE.dir;
    const withParent = depth > this.#goneAt;
    this.#count("removed", depth);
    const row = this.#row(cursor, cursor.layer(version), entry, isDirectory, true);
    if (row >= 0) {
      this.#columns.flags[row]! |= withParent ? ROW.withParent : 0;
      this.#columns.setChange(row, "removed", 0);
      if (!isDirectory) this.#keep(row, depth);
    }
    if (isDirectory && !withParent) this.#goneAt = depth;
  }

  /** @returns its row, or -1 if it is above where the listing begins, or too deep */
  #row(cursor: StackCursor, layer: number, entry: number, isDirectory: boolean, isGone: boolean): number {
    const depth = cursor.depth - this.#start.length;
    if (depth < 0) return -1;
    const index = this.#stack[layer]!;
    const size = isDirectory ? 0 : this.#sizeOf(layer, entry);
    if (isDirectory) this.#directories += isGone ? 0 : 1;
    else {
      const counted = this.#counts(layer, entry) ? size : 0;
      if (!isGone) this.#files++;
      if (cursor.depth > 0) (isGone ? this.#removed : this.#bytes)[cursor.depth - 1]! += counted;
    }
    if (depth > this.#depth) {
      this.#isCut = true;
      return -1;
    }
    const isHardLink = index.columns.types[entry] === TYPE.hardlink;
    const flags = (isHardLink ? ROW.hardLink : 0) | (index.isOpaque(entry) && !isGone ? ROW.opaque : 0);
    const row = this.#columns.add(layer, entry, depth, flags);
    this.#rows[cursor.depth] = row;
    if (isGone) this.#columns.removed[row] = size;
    else this.#columns.sizes[row] = size;
    if (this.#own < 0 && !isDirectory) this.#keep(row, cursor.depth);
    return row;
  }

  #sizeOf(layer: number, entry: number): number {
    const real = realEntry(this.#stack, layer, entry);
    if (real === undefined) return 0;
    const { columns } = this.#stack[real.layer]!;
    return plainType(columns.types[real.entry]!) === TYPE.file ? columns.sizes[real.entry]! : 0;
  }

  /** Inodes with several names count where they are met first. A hard link into a lower layer is a copy. */
  #counts(layer: number, entry: number): boolean {
    const first = this.#stack[layer]!.firstNames().get(entry);
    if (first === undefined) return true;
    const key = layer * 2 ** 32 + first;
    if (this.#counted.has(key)) return false;
    this.#counted.add(key);
    return true;
  }

  /** Marks a row that passes the filters, and the directories that lead to it. */
  #keep(row: number, depth: number): void {
    const columns = this.#columns;
    const { flags } = columns;
    if ((flags[row]! & ROW.withParent) !== 0 && !this.#removedBelow) return;
    if (!this.#accepts(row, () => this.#stack[columns.layers[row]!]!.path(columns.entries[row]!))) return;
    flags[row]! |= ROW.kept;
    for (let above = depth - 1; above >= this.#start.length; above--) {
      const parent = this.#rows[above]!;
      if (parent < 0 || (flags[parent]! & ROW.context) !== 0) return;
      flags[parent]! |= ROW.context;
    }
  }
}

function filterOf(
  { globs = [], regexes = [], changes, minSize = 0, only }: FileFilter,
  columns: ListingColumns,
  stack: readonly LayerIndex[],
): (row: number, path: () => ByteString) => boolean {
  const fits = globs.length > 0 ? compilePathPatterns(globs) : undefined;
  const expressions = regexes.map(compilePathRegex);
  const wanted = changes?.map((change) => CHANGE_MARKS.indexOf(change) + 1);
  return (row, path) => {
    if (wanted !== undefined && !wanted.includes(columns.changes[row]!)) return false;
    if (columns.sizes[row]! + columns.removed[row]! < minSize) return false;
    const isDirectory = stack[columns.layers[row]!]!.columns.types[columns.entries[row]!] === TYPE.dir;
    if (only !== undefined && isDirectory !== (only === "directories")) return false;
    if (fits === undefined && expressions.length === 0) return true;
    const bytes = path();
    if (fits?.(bytes)) return true;
    const text = expressions.length > 0 ? fromByteString(bytes) : "";
    return expressions.some((matches) => matches(text));
  };
}
