/**
 * Making the index of a layer that is being written: entries come in the index's own order, each once, with clean
 * paths. That allows to fill the columns as they come, where an archive from elsewhere needs a tree first
 * (indexBuilder.ts). The result is the same.
 */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { describeForDigest } from "./indexLayout.js";
import { FLAG_IMPLIED, FLAG_OPAQUE, INDEX_TYPES, type IndexType, LayerIndex, NO_DIGEST } from "./layerIndex.js";

/** A directory whose entries are still coming. */
interface OpenDirectory {
  readonly path: ByteString;
  readonly entry: number;
  lastName: ByteString;
  /** What its digest is made of: its entries so far. */
  readonly described: string[];
  /** The directory itself, which is described once its digest is known. */
  readonly name: ByteString;
  readonly tar: TarEntry;
  flags: number;
}

const FIRST_CAPACITY = 1024;
const TYPE_NUMBERS = new Map<IndexType, number>(INDEX_TYPES.map((type, number) => [type, number]));

/** See the top of this file. */
export class SortedIndex {
  #columns = allocate(FIRST_CAPACITY);
  #names = Buffer.allocUnsafeSlow(FIRST_CAPACITY * 16);
  #digests = Buffer.allocUnsafeSlow(FIRST_CAPACITY * 32);
  #count = 0;
  #digestCount = 0;
  readonly #open: OpenDirectory[] = [];
  /** First names of inodes that further names may follow, by path. */
  readonly #shared = new Map<ByteString, number>();
  readonly #extras = {
    links: {} as Record<string, ByteString>,
    devices: {} as Record<string, readonly [number, number]>,
    xattrs: {} as Record<string, Readonly<Record<string, ByteString>>>,
    sparse: {},
    files: {} as Record<ByteString, ByteString>,
  };
  /** A file waits for its digest before its directory can take it in. */
  #pending: TarEntry | undefined;

  constructor() {
    this.#openDirectory("", "", directoryEntry(""), FLAG_IMPLIED, -1);
  }

  /**
   * Adds an entry.
   * @throws NacreError INTERNAL if it is out of order
   */
  add(entry: TarEntry, headerOffset: number, contentOffset: number): void {
    const { path } = entry;
    const slash = path.lastIndexOf("/");
    const parent = this.#parent(slash < 0 ? "" : path.slice(0, slash));
    const name = slash < 0 ? path : path.slice(slash + 1);
    enterName(parent, name, path);
    if (entry.type === "dir") this.#openDirectory(path, name, entry, 0, headerOffset);
    else this.#addLeaf(parent, name, entry, headerOffset, contentOffset);
  }

  /**
   * Notes that a name is removed from the layers below.
   * @throws NacreError INTERNAL if it is out of order
   */
  addWhiteout(path: ByteString, mtime: number, headerOffset: number): void {
    const slash = path.lastIndexOf("/");
    const parent = this.#parent(slash < 0 ? "" : path.slice(0, slash));
    const name = slash < 0 ? path : path.slice(slash + 1);
    enterName(parent, name, path);
    const entry: TarEntry = { path, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtime };
    this.#append(name, entry, "whiteout", 0, headerOffset, -1);
    parent.described.push(describeForDigest(name, "whiteout", entry, 0, 0, "", undefined, undefined));
  }

  /**
   * Notes that what the layers below have in this directory is hidden.
   * @throws NacreError INTERNAL if something in it was added before
   */
  setOpaque(path: ByteString): void {
    const directory = this.#parent(path);
    if (directory.lastName !== "") throw outOfOrder(path);
    directory.flags |= FLAG_OPAQUE;
    this.#columns.flags[directory.entry] = directory.flags;
  }

  /** Tells the digest (64 hex digits) of the file added last. */
  setDigest(digest: string): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#columns.digestSlots[this.#count - 1] = this.#putDigest(digest);
    const name = pending.path.slice(pending.path.lastIndexOf("/") + 1);
    this.#takeIn(describeForDigest(name, "file", pending, 0, pending.size, digest, undefined, undefined));
    this.#pending = undefined;
  }

  /** The file, symlink, device or fifo added last may get further names. */
  share(path: ByteString): void {
    this.#shared.set(path, this.#count - 1);
  }

  /** Keeps a small file's content in the index itself. */
  keepFile(path: ByteString, content: ByteString): void {
    this.#extras.files[path] = content;
  }

  /** @param tarSize bytes of the whole uncompressed tar */
  finish(tarSize: number): LayerIndex {
    while (this.#open.length > 0) this.#close();
    const count = this.#count;
    const {
      sizes,
      mtimes,
      headerOffsets,
      contentOffsets,
      uids,
      gids,
      ends,
      parents,
      digestSlots,
      nameStarts,
      modes,
      types,
      flags,
    } = this.#columns;
    return new LayerIndex({
      count,
      tarSize,
      sizes: sizes.slice(0, count),
      mtimes: mtimes.slice(0, count),
      headerOffsets: headerOffsets.slice(0, count),
      contentOffsets: contentOffsets.slice(0, count),
      uids: uids.slice(0, count),
      gids: gids.slice(0, count),
      ends: ends.slice(0, count),
      parents: parents.slice(0, count),
      digestSlots: digestSlots.slice(0, count),
      nameStarts: nameStarts.slice(0, count + 1),
      modes: modes.slice(0, count),
      types: types.slice(0, count),
      flags: flags.slice(0, count),
      names: this.#names.subarray(0, nameStarts[count]),
      digests: this.#digests.subarray(0, this.#digestCount * 32),
      extras: this.#extras,
    });
  }

  /** The open directory of that path; directories that nobody listed are implied. */
  #parent(path: ByteString): OpenDirectory {
    for (;;) {
      const top = this.#open[this.#open.length - 1]!;
      if (top.path === path) return top;
      if (top.path === "" || path.startsWith(`${top.path}/`)) break;
      this.#close();
    }
    const top = this.#open[this.#open.length - 1]!;
    const rest = path.slice(top.path === "" ? 0 : top.path.length + 1);
    const name = rest.split("/")[0]!;
    enterName(top, name, path);
    const here = top.path === "" ? name : `${top.path}/${name}`;
    this.#openDirectory(here, name, directoryEntry(here), FLAG_IMPLIED, -1);
    return this.#parent(path);
  }

  #openDirectory(path: ByteString, name: ByteString, entry: TarEntry, flags: number, headerOffset: number): void {
    const number = this.#append(name, entry, "dir", flags, headerOffset, -1);
    this.#open.push({ path, entry: number, lastName: "", described: [], name, tar: entry, flags });
  }

  #close(): void {
    const { entry, described, name, tar, flags } = this.#open.pop()!;
    const digest = sha256Hex(described.join("\0"));
    this.#columns.ends[entry] = this.#count;
    this.#columns.digestSlots[entry] = this.#putDigest(digest);
    if (this.#open.length > 0)
      this.#takeIn(describeForDigest(name, "dir", tar, flags, 0, digest, undefined, undefined));
  }

  #addLeaf(
    parent: OpenDirectory,
    name: ByteString,
    entry: TarEntry,
    headerOffset: number,
    contentOffset: number,
  ): void {
    if (entry.type === "hardlink") {
      this.#addHardLink(name, entry, headerOffset);
      return;
    }
    const isFile = entry.type === "file";
    const number = this.#append(name, entry, entry.type, 0, headerOffset, isFile ? contentOffset : -1);
    if (entry.type === "symlink" && entry.link !== undefined) this.#extras.links[number] = entry.link;
    if (isFile) {
      this.#pending = entry;
      return;
    }
    const device = this.#extras.devices[number];
    const link = this.#extras.links[number];
    parent.described.push(describeForDigest(name, entry.type, entry, 0, 0, "", link, device));
  }

  /** A further name has all of the first one's metadata. */
  #addHardLink(name: ByteString, entry: TarEntry, headerOffset: number): void {
    const link = entry.link ?? "";
    const first = this.#shared.get(link);
    if (first === undefined)
      throw new NacreError("INTERNAL", `the first name of ${fromByteString(entry.path)} is not known`);
    const { sizes, contentOffsets, digestSlots, modes, uids, gids, mtimes, types } = this.#columns;
    const xattrs = this.#extras.xattrs[first];
    const shared = {
      ...entry,
      mode: modes[first]!,
      uid: uids[first]!,
      gid: gids[first]!,
      mtime: mtimes[first]!,
      size: sizes[first]!,
      link,
      xattrs,
    };
    const type = INDEX_TYPES[types[first]!]!;
    if (type !== "file") {
      this.#addNameOfSpecial(name, shared, type, first, headerOffset);
      return;
    }
    const slot = digestSlots[first]!;
    const digest = this.#digests.toString("hex", slot * 32, slot * 32 + 32);
    const number = this.#append(name, shared, "hardlink", 0, headerOffset, contentOffsets[first]!);
    this.#extras.links[number] = link;
    this.#columns.digestSlots[number] = this.#putDigest(digest);
    this.#takeIn(describeForDigest(name, "hardlink", shared, 0, shared.size, digest, link, undefined));
  }

  /** What has no content stands in the index under each of its names as itself. */
  #addNameOfSpecial(name: ByteString, shared: TarEntry, type: IndexType, first: number, headerOffset: number): void {
    const device = this.#extras.devices[first];
    const link = this.#extras.links[first];
    const entry = { ...shared, devMajor: device?.[0], devMinor: device?.[1] };
    const number = this.#append(name, entry, type, 0, headerOffset, -1);
    if (link !== undefined) this.#extras.links[number] = link;
    this.#takeIn(describeForDigest(name, type, entry, 0, 0, "", link, device));
  }

  #takeIn(described: string): void {
    this.#open[this.#open.length - 1]!.described.push(described);
  }

  #append(
    name: ByteString,
    entry: TarEntry,
    type: IndexType,
    flags: number,
    headerOffset: number,
    contentOffset: number,
  ): number {
    const number = this.#count++;
    if (number + 1 >= this.#columns.sizes.length) this.#columns = grow(this.#columns);
    const columns = this.#columns;
    columns.sizes[number] = contentOffset < 0 ? 0 : entry.size;
    columns.mtimes[number] = entry.mtime;
    columns.headerOffsets[number] = headerOffset;
    columns.contentOffsets[number] = contentOffset;
    columns.uids[number] = entry.uid;
    columns.gids[number] = entry.gid;
    columns.ends[number] = number + 1;
    columns.parents[number] = this.#open[this.#open.length - 1]?.entry ?? 0;
    columns.digestSlots[number] = NO_DIGEST;
    columns.modes[number] = entry.mode & 0o7777;
    columns.types[number] = TYPE_NUMBERS.get(type)!;
    columns.flags[number] = flags;
    if (entry.xattrs && Object.keys(entry.xattrs).length > 0) this.#extras.xattrs[number] = entry.xattrs;
    if (type === "char" || type === "block") this.#extras.devices[number] = [entry.devMajor ?? 0, entry.devMinor ?? 0];
    this.#putName(name, number);
    return number;
  }

  #putName(name: ByteString, number: number): void {
    const start = this.#columns.nameStarts[number]!;
    if (start + name.length > this.#names.length) this.#names = enlarge(this.#names);
    this.#names.write(name, start, "latin1");
    this.#columns.nameStarts[number + 1] = start + name.length;
  }

  #putDigest(hex: string): number {
    const slot = this.#digestCount++;
    if ((slot + 1) * 32 > this.#digests.length) this.#digests = enlarge(this.#digests);
    this.#digests.write(hex, slot * 32, "hex");
    return slot;
  }
}

/** Entries of a directory come in the order of their names, each once. */
function enterName(directory: OpenDirectory, name: ByteString, path: ByteString): void {
  if (name <= directory.lastName) throw outOfOrder(path);
  directory.lastName = name;
}

function outOfOrder(path: ByteString): NacreError {
  return new NacreError("INTERNAL", `${fromByteString(path)} is out of order in its layer`);
}

function directoryEntry(path: ByteString): TarEntry {
  return { path, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
}

function allocate(capacity: number) {
  return {
    sizes: new Float64Array(capacity),
    mtimes: new Float64Array(capacity),
    headerOffsets: new Float64Array(capacity),
    contentOffsets: new Float64Array(capacity),
    uids: new Uint32Array(capacity),
    gids: new Uint32Array(capacity),
    ends: new Uint32Array(capacity),
    parents: new Uint32Array(capacity),
    digestSlots: new Uint32Array(capacity),
    nameStarts: new Uint32Array(capacity + 1),
    modes: new Uint16Array(capacity),
    types: new Uint8Array(capacity),
    flags: new Uint8Array(capacity),
  };
}

function grow(old: ReturnType<typeof allocate>): ReturnType<typeof allocate> {
  const larger = allocate(old.sizes.length * 2);
  for (const key of Object.keys(old) as (keyof typeof old)[]) larger[key].set(old[key]);
  return larger;
}

/** Twice the room; a name of any length that a file system allows fits then. */
function enlarge(old: Buffer): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(old.length * 2);
  old.copy(larger);
  return larger;
}
