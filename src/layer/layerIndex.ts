/**
 * The index of a layer: its table of contents, small enough to answer from it nearly everything that builds and
 * analyses ask. One entry for each path, sorted so that the entries below a directory follow it in byte order per
 * component; parents that the layer does not list stand in it as *implied* directories, so that it is always a whole
 * tree with the root as entry 0.
 *
 * On disk it is binary and columnar: typed arrays that are used in place, names cut at `/` with a parent number
 * instead of whole paths, raw digests. A SHA-256 at the end covers everything before it.
 */
import { createHash } from "node:crypto";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** Kinds of entries. `whiteout`: the name is removed from the layers below. */
export const INDEX_TYPES = ["file", "dir", "symlink", "hardlink", "char", "block", "fifo", "whiteout"] as const;
export type IndexType = (typeof INDEX_TYPES)[number];

/** The directory is only implied by entries below it: its metadata comes from the layers below. */
export const FLAG_IMPLIED = 1;
/** What the layers below have at this directory is hidden. */
export const FLAG_OPAQUE = 2;

/** What few entries have, by entry number. */
export interface IndexExtras {
  /** Targets of symlinks as written; of hard links the path of the first name of the inode. */
  readonly links: Readonly<Record<string, ByteString>>;
  readonly devices: Readonly<Record<string, readonly [major: number, minor: number]>>;
  readonly xattrs: Readonly<Record<string, Readonly<Record<string, ByteString>>>>;
  /** Stretches of data of sparse files: `[offset in the file, bytes]`, in the tar one after the other. */
  readonly sparse: Readonly<Record<string, readonly (readonly [offset: number, length: number])[]>>;
  /** Whole contents of small files that builds consult (passwd, group, os-release), by path. */
  readonly files: Readonly<Record<ByteString, ByteString>>;
}

/** The columns of an index; arrays have one element for each entry. */
export interface IndexColumns {
  readonly count: number;
  /** Bytes of the uncompressed tar, end marker included. */
  readonly tarSize: number;
  readonly sizes: Float64Array;
  /** Whole seconds since 1970. */
  readonly mtimes: Float64Array;
  /** Where the entry's first header block stands in the uncompressed tar; -1 if implied. */
  readonly headerOffsets: Float64Array;
  /** Where its content stands; for hard links that of the inode; -1 if there is none. */
  readonly contentOffsets: Float64Array;
  readonly uids: Uint32Array;
  readonly gids: Uint32Array;
  /** Number of the first entry that is not below this one. */
  readonly ends: Uint32Array;
  readonly parents: Uint32Array;
  /** Start of each name in `names`; one element more than entries. */
  readonly nameStarts: Uint32Array;
  /** Position in `digests`, or NO_DIGEST. */
  readonly digestSlots: Uint32Array;
  readonly modes: Uint16Array;
  /** Positions in INDEX_TYPES. */
  readonly types: Uint8Array;
  readonly flags: Uint8Array;
  readonly names: Buffer;
  /** 32 bytes each: content of files, or of directories the digest of all below them, mtimes left out. */
  readonly digests: Buffer;
  readonly extras: IndexExtras;
}

/** In `digestSlots`: the entry has no digest. */
export const NO_DIGEST = 0xffffffff;

const MAGIC = "nacreIdx";
/** Raised whenever the format changes; an index of another version is made anew from its layer. */
const VERSION = 2;
const HEADER_BYTES = 48;
const CHECKSUM_BYTES = 32;

/** An index, decoded: columns with names for what is asked of them. */
export class LayerIndex {
  readonly columns: IndexColumns;
  readonly #children = new Map<number, Int32Array>();
  #firstNames: ReadonlyMap<number, number> | undefined;

  constructor(columns: IndexColumns) {
    this.columns = columns;
  }

  /**
   * Reads an index from its bytes.
   * @throws NacreError CONTENT_INVALID if they are damaged or of another version
   */
  static decode(bytes: Buffer): LayerIndex {
    return new LayerIndex(decodeColumns(bytes));
  }

  /** The bytes of {@link decode}. */
  encode(): Buffer {
    return encodeColumns(this.columns);
  }

  get count(): number {
    return this.columns.count;
  }

  get tarSize(): number {
    return this.columns.tarSize;
  }

  type(entry: number): IndexType {
    return INDEX_TYPES[this.columns.types[entry]!]!;
  }

  isImplied(entry: number): boolean {
    return (this.columns.flags[entry]! & FLAG_IMPLIED) !== 0;
  }

  isOpaque(entry: number): boolean {
    return (this.columns.flags[entry]! & FLAG_OPAQUE) !== 0;
  }

  /** Last component of the path. */
  name(entry: number): ByteString {
    const { names, nameStarts } = this.columns;
    return names.toString("latin1", nameStarts[entry]!, nameStarts[entry + 1]!);
  }

  path(entry: number): ByteString {
    if (entry === 0) return "";
    const parent = this.columns.parents[entry]!;
    return parent === 0 ? this.name(entry) : `${this.path(parent)}/${this.name(entry)}`;
  }

  mode(entry: number): number {
    return this.columns.modes[entry]!;
  }

  uid(entry: number): number {
    return this.columns.uids[entry]!;
  }

  gid(entry: number): number {
    return this.columns.gids[entry]!;
  }

  /** Bytes of content. */
  size(entry: number): number {
    return this.columns.sizes[entry]!;
  }

  /** Whole seconds since 1970. */
  mtime(entry: number): number {
    return this.columns.mtimes[entry]!;
  }

  headerOffset(entry: number): number {
    return this.columns.headerOffsets[entry]!;
  }

  contentOffset(entry: number): number {
    return this.columns.contentOffsets[entry]!;
  }

  link(entry: number): ByteString | undefined {
    return this.columns.extras.links[entry];
  }

  device(entry: number): readonly [major: number, minor: number] | undefined {
    return this.columns.extras.devices[entry];
  }

  xattrs(entry: number): Readonly<Record<string, ByteString>> | undefined {
    return this.columns.extras.xattrs[entry];
  }

  /** Where the data of a sparse file lie; undefined for all other files. */
  sparse(entry: number): readonly (readonly [offset: number, length: number])[] | undefined {
    return this.columns.extras.sparse[entry];
  }

  /** Number of the first entry that is not below this one. */
  end(entry: number): number {
    return this.columns.ends[entry]!;
  }

  /** SHA-256 of a file's content, or of everything below a directory without mtimes; undefined for other entries. */
  digestHex(entry: number): string | undefined {
    const slot = this.columns.digestSlots[entry]!;
    return slot === NO_DIGEST ? undefined : this.columns.digests.toString("hex", slot * 32, slot * 32 + 32);
  }

  /** Entry numbers directly below a directory, in byte order of their names. */
  children(entry: number): Int32Array {
    let list = this.#children.get(entry);
    if (list === undefined) {
      const numbers: number[] = [];
      for (let at = entry + 1; at < this.end(entry); at = this.end(at)) numbers.push(at);
      list = Int32Array.from(numbers);
      this.#children.set(entry, list);
    }
    return list;
  }

  /** The entry at a path, or -1. Whiteouts are entries too. */
  find(path: ByteString): number {
    let entry = 0;
    if (path === "") return entry;
    for (const part of path.split("/")) {
      entry = this.child(entry, part);
      if (entry < 0) return -1;
    }
    return entry;
  }

  /** The entry of that name directly below a directory, or -1. */
  child(entry: number, name: ByteString): number {
    const list = this.children(entry);
    let low = 0;
    let high = list.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const other = this.name(list[middle]!);
      if (other === name) return list[middle]!;
      if (other < name) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /**
   * For every name of an inode that has several in this layer: the entry of the inode's first name.
   * Hard links whose target lies in a layer below are not in it.
   */
  firstNames(): ReadonlyMap<number, number> {
    if (this.#firstNames) return this.#firstNames;
    const map = new Map<number, number>();
    for (const key of Object.keys(this.columns.extras.links)) {
      const entry = Number(key);
      if (this.type(entry) !== "hardlink") continue;
      const first = this.find(this.link(entry)!);
      if (first < 0 || this.type(first) !== "file") continue;
      map.set(first, first);
      map.set(entry, first);
    }
    this.#firstNames = map;
    return map;
  }

  /** A small file that the index holds whole, or undefined. */
  smallFile(path: ByteString): Buffer | undefined {
    const content = this.columns.extras.files[path];
    return content === undefined ? undefined : Buffer.from(content, "latin1");
  }
}

type NumericArray = Float64Array | Uint32Array | Uint16Array | Uint8Array;

/** The fixed order of the typed columns in the file: widest elements first, so that each is aligned. */
const LAYOUT = [
  ["sizes", Float64Array, 0],
  ["mtimes", Float64Array, 0],
  ["headerOffsets", Float64Array, 0],
  ["contentOffsets", Float64Array, 0],
  ["uids", Uint32Array, 0],
  ["gids", Uint32Array, 0],
  ["ends", Uint32Array, 0],
  ["parents", Uint32Array, 0],
  ["digestSlots", Uint32Array, 0],
  ["nameStarts", Uint32Array, 1],
  ["modes", Uint16Array, 0],
  ["types", Uint8Array, 0],
  ["flags", Uint8Array, 0],
] as const;

function encodeColumns(columns: IndexColumns): Buffer {
  const extras = Buffer.from(JSON.stringify(columns.extras));
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, "latin1");
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(columns.count, 12);
  header.writeDoubleLE(columns.tarSize, 16);
  header.writeUInt32LE(columns.names.length, 24);
  header.writeUInt32LE(columns.digests.length, 28);
  header.writeUInt32LE(extras.length, 32);
  const parts: Uint8Array[] = [header];
  for (const [name] of LAYOUT) {
    const array: NumericArray = columns[name];
    parts.push(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
  }
  parts.push(columns.names, columns.digests, extras);
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return Buffer.concat([...parts, hash.digest()]);
}

function decodeColumns(bytes: Buffer): IndexColumns {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) throw damaged();
  if (bytes.readUInt32LE(8) !== VERSION) throw damaged();
  const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!createHash("sha256").update(body).digest().equals(bytes.subarray(body.length))) throw damaged();
  const count = bytes.readUInt32LE(12);
  // Typed arrays need aligned memory; a Buffer may start anywhere in its pool.
  const memory = new Uint8Array(body);
  let at = HEADER_BYTES;
  const arrays: Record<string, NumericArray> = {};
  for (const [name, Type, more] of LAYOUT) {
    const length = count + more;
    if (at + length * Type.BYTES_PER_ELEMENT > memory.length) throw damaged();
    arrays[name] = new Type(memory.buffer, at, length);
    at += length * Type.BYTES_PER_ELEMENT;
  }
  const take = (length: number): Buffer => {
    if (at + length > memory.length) throw damaged();
    const part = Buffer.from(memory.buffer, at, length);
    at += length;
    return part;
  };
  const names = take(bytes.readUInt32LE(24));
  const digests = take(bytes.readUInt32LE(28));
  const extras = JSON.parse(take(bytes.readUInt32LE(32)).toString()) as IndexExtras;
  return { count, tarSize: bytes.readDoubleLE(16), names, digests, extras, ...(arrays as unknown as TypedColumns) };
}

type TypedColumns = Pick<IndexColumns, (typeof LAYOUT)[number][0]>;

function damaged(): NacreError {
  return new NacreError("CONTENT_INVALID", "the index of a layer is damaged or of another version");
}
