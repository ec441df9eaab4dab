/**
 * What is known of the names in a context, in columns: one row a name, the rows of a directory side by side in byte
 * order of their names. 90,000 rows take 8 MB, are read from and written to the stat cache as they stand, and are
 * compared with an `lstat` result without making an object.
 */
import type { ByteString } from "../support/bytes.js";

/** The bits of a row's `flags`. */
export const FLAG = {
  /** Excluded by the ignore rules; here only because something below may be included again. */
  ignored: 1,
  /** Changed so shortly before it was looked at that a later change could look the same; not to be trusted next time. */
  racy: 2,
  /** `digests` holds the SHA-256 of the content. */
  digest: 4,
  /** It is known whether the file has a capability; if so it stands in `capabilities`. */
  capability: 8,
  /** The inode has more than one name, somewhere. */
  linked: 16,
  /** Lies on another device than the context's root; the device stands in `devices`. */
  foreign: 32,
  /** An ignored directory that has something included below it. */
  parent: 64,
} as const;

/** Bytes of a raw SHA-256. */
export const DIGEST_BYTES = 32;

/** The attributes of `fs.Stats` that are looked at. Times are in milliseconds with fractions (a quarter of a µs exact). */
export interface StatValues {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly rdev: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export class EntryTable {
  count = 0;
  size: Float64Array;
  mtime: Float64Array;
  ctime: Float64Array;
  ino: Float64Array;
  /** mtime in whole seconds, floored from nanoseconds. */
  seconds: Float64Array;
  /** All of st_mode. */
  mode: Uint32Array;
  flags: Uint8Array;
  /** Number of the directory record, -1 if the name is not a directory. */
  child: Int32Array;
  digests: Buffer;
  /** Targets of symlinks. */
  readonly links = new Map<number, ByteString>();
  /** Values of security.capability. */
  readonly capabilities = new Map<number, ByteString>();
  /** st_rdev of device nodes. */
  readonly specials = new Map<number, number>();
  /** st_dev of rows with the flag `foreign`. */
  readonly devices = new Map<number, number>();
  /** st_dev of the context's root. */
  rootDevice = 0;

  constructor(capacity = 1024) {
    this.size = new Float64Array(capacity);
    this.mtime = new Float64Array(capacity);
    this.ctime = new Float64Array(capacity);
    this.ino = new Float64Array(capacity);
    this.seconds = new Float64Array(capacity);
    this.mode = new Uint32Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.child = new Int32Array(capacity).fill(-1);
    this.digests = Buffer.alloc(capacity * DIGEST_BYTES);
  }

  /** Makes room for new rows. @returns the first of them */
  allocate(rows: number): number {
    const first = this.count;
    this.count += rows;
    if (this.count > this.size.length) this.#grow(Math.max(this.count, this.size.length * 2, 1024));
    this.child.fill(-1, first, this.count);
    this.flags.fill(0, first, this.count);
    return first;
  }

  /** True if the row describes exactly this stat result and may be trusted to. */
  isCurrent(row: number, stat: StatValues): boolean {
    return (this.flags[row]! & FLAG.racy) === 0 && this.isSame(row, stat);
  }

  /** True if the row describes exactly this stat result. */
  isSame(row: number, stat: StatValues): boolean {
    return (
      this.ctime[row] === stat.ctimeMs &&
      this.mtime[row] === stat.mtimeMs &&
      this.size[row] === stat.size &&
      this.ino[row] === stat.ino &&
      this.mode[row] === stat.mode &&
      this.deviceOf(row) === stat.dev
    );
  }

  deviceOf(row: number): number {
    return (this.flags[row]! & FLAG.foreign) === 0 ? this.rootDevice : this.devices.get(row)!;
  }

  /** Replaces all that a row says, keeping only whether it is ignored and which directory record belongs to it. */
  put(row: number, stat: StatValues, seconds: number): void {
    this.size[row] = stat.size;
    this.mtime[row] = stat.mtimeMs;
    this.ctime[row] = stat.ctimeMs;
    this.ino[row] = stat.ino;
    this.seconds[row] = seconds;
    this.mode[row] = stat.mode;
    let flags = this.flags[row]! & (FLAG.ignored | FLAG.parent);
    if (stat.nlink > 1) flags |= FLAG.linked;
    if (stat.dev !== this.rootDevice) {
      flags |= FLAG.foreign;
      this.devices.set(row, stat.dev);
    }
    this.flags[row] = flags;
    this.links.delete(row);
    this.capabilities.delete(row);
    this.specials.delete(row);
  }

  /** Copies a row of another table, or of this one, with all that belongs to it. */
  copy(from: EntryTable, source: number, target: number): void {
    this.size[target] = from.size[source]!;
    this.mtime[target] = from.mtime[source]!;
    this.ctime[target] = from.ctime[source]!;
    this.ino[target] = from.ino[source]!;
    this.seconds[target] = from.seconds[source]!;
    this.mode[target] = from.mode[source]!;
    this.flags[target] = from.flags[source]!;
    this.child[target] = from.child[source]!;
    from.digests.copy(this.digests, target * DIGEST_BYTES, source * DIGEST_BYTES, (source + 1) * DIGEST_BYTES);
    copyExtra(from.links, this.links, source, target);
    copyExtra(from.capabilities, this.capabilities, source, target);
    copyExtra(from.specials, this.specials, source, target);
    copyExtra(from.devices, this.devices, source, target);
  }

  has(row: number, flag: number): boolean {
    return (this.flags[row]! & flag) !== 0;
  }

  /** True if the row's name is part of the context: included, or the parent of something that is. */
  isVisible(row: number): boolean {
    return (this.flags[row]! & (FLAG.ignored | FLAG.parent)) !== FLAG.ignored;
  }

  setDigest(row: number, hex: string): void {
    this.digests.write(hex, row * DIGEST_BYTES, "hex");
    this.flags[row]! |= FLAG.digest;
  }

  /** @returns 64 hex digits */
  digestHex(row: number): string {
    return this.digests.toString("hex", row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES);
  }

  #grow(capacity: number): void {
    this.size = grown(this.size, new Float64Array(capacity));
    this.mtime = grown(this.mtime, new Float64Array(capacity));
    this.ctime = grown(this.ctime, new Float64Array(capacity));
    this.ino = grown(this.ino, new Float64Array(capacity));
    this.seconds = grown(this.seconds, new Float64Array(capacity));
    this.mode = grown(this.mode, new Uint32Array(capacity));
    this.flags = grown(this.flags, new Uint8Array(capacity));
    this.child = grown(this.child, new Int32Array(capacity));
    this.digests = grown(this.digests, Buffer.alloc(capacity * DIGEST_BYTES));
  }
}

/** The record of one directory that has been listed, now or in an earlier build. */
export interface Directory {
  readonly parent: Directory | undefined;
  readonly name: ByteString;
  /** Path from the context's root. */
  readonly path: ByteString;
  /** The directory's own row. */
  row: number;
  /** First row of its entries. */
  first: number;
  count: number;
  /** The entries' names in byte order with `/` between them. */
  joined: string;
  /** The same as a list, once it was needed. */
  names: readonly ByteString[] | undefined;
  /** It has been listed, under the ignore rules that apply now. */
  complete: boolean;
  /** Digest of its list (see treeDigest.ts) without hard-link groups; undefined if something changed below. */
  tree: Buffer | undefined;
  /** The scan in which it was looked at last. */
  scan: number;
  /** The directory itself was found unchanged in that scan, so that its names are still the listed ones. */
  unchanged: boolean;
}

/** A directory of which nothing is known but where it is; `row` is its own row in the table. */
export function newDirectory(parent: Directory | undefined, name: ByteString, row: number): Directory {
  const path = parent === undefined ? "" : parent.path === "" ? name : `${parent.path}/${name}`;
  return {
    parent,
    name,
    path,
    row,
    first: 0,
    count: 0,
    joined: "",
    complete: false,
    names: undefined,
    tree: undefined,
    scan: -1,
    unchanged: false,
  };
}

/** The names in a directory. */
export function namesOf(directory: Directory): readonly ByteString[] {
  directory.names ??= directory.count === 0 ? [] : directory.joined.split("/");
  return directory.names;
}

/** Forgets the digests of a directory's list and of all lists above that name it. */
export function forgetTree(directory: Directory): void {
  for (let at: Directory | undefined = directory; at?.tree !== undefined; at = at.parent) at.tree = undefined;
}

function grown<T extends Float64Array | Uint32Array | Uint8Array | Int32Array>(old: T, next: T): T {
  next.set(old);
  return next;
}

function copyExtra<T>(from: ReadonlyMap<number, T>, to: Map<number, T>, source: number, target: number): void {
  const value = from.get(source);
  if (value === undefined) to.delete(target);
  else to.set(target, value);
}
