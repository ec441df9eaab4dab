/**
 * Lists: how a directory stands in a cache key. A list holds one entry for each name in a directory, in byte order, with
 * all that a layer would show of it except times; the directories in it are named by the digests of their own lists. So
 * equal subtrees have equal digests, and what differs between two trees is found by following only what differs.
 *
 * A list is `NCL1` and then, for each entry (numbers big-endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | type: `f` file, `d` directory, `l` symlink, `c` `b` device, `p` fifo |
 * | 1 | flags: 1 owner, 2 hard-link group, 4 capability follow |
 * | 2 | mode, 12 bits |
 * | 2 + n | length of the name, name |
 * | 4 + 4 | uid, gid (flag 1; else both are 0) |
 * | 4 | number of the hard-link group (flag 2) |
 * | 2 + n | length of the value of security.capability, value (flag 4) |
 * | 8 + 32 | `f`: size, SHA-256 of the content |
 * | 32 | `d`: SHA-256 of its list |
 * | 2 + n | `l`: length of the target, target |
 * | 4 + 4 | `c`, `b`: device major, minor |
 *
 * The list of something that is no directory has one entry with an empty name.
 */
import type { FileType } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** One entry, as it is written and read. */
export interface ListEntry {
  readonly name: ByteString;
  readonly type: FileType;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names with equal numbers within one selection share an inode; undefined if no other name there does. */
  readonly group?: number | undefined;
  /** Value of security.capability. */
  readonly capability?: ByteString | undefined;
  /** Files: bytes of content. */
  readonly size?: number | undefined;
  /** Files: SHA-256 of the content; directories: of their list. 64 hex digits. */
  readonly digest?: string | undefined;
  readonly link?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
}

const MAGIC = "NCL1";
const OWNER = 1;
const GROUP = 2;
const CAPABILITY = 4;
const LETTERS: Readonly<Record<FileType, number>> = {
  file: 102,
  dir: 100,
  symlink: 108,
  char: 99,
  block: 98,
  fifo: 112,
};
const TYPES = new Map(Object.entries(LETTERS).map(([type, letter]) => [letter, type as FileType]));

const DIGEST_BYTES = 32;

/** Most bytes that an entry takes beside its name, target and capability. */
const FIXED = 80;

/** Writes lists, one after the other, into one buffer. */
export class ListWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #at = 0;

  /** Begins a list. */
  start(): void {
    this.#at = this.#buffer.write(MAGIC, 0, "latin1");
  }

  /**
   * Appends an entry; the caller keeps the order.
   * @param digest raw SHA-256 of a file or directory, if it is at hand; else `entry.digest` counts
   */
  add(entry: ListEntry, digest?: Uint8Array): void {
    this.#reserve(FIXED + entry.name.length + (entry.link?.length ?? 0) + (entry.capability?.length ?? 0));
    const buffer = this.#buffer;
    const owner = entry.uid !== 0 || entry.gid !== 0;
    buffer[this.#at++] = LETTERS[entry.type];
    buffer[this.#at++] =
      (owner ? OWNER : 0) | (entry.group === undefined ? 0 : GROUP) | (entry.capability === undefined ? 0 : CAPABILITY);
    this.#at = buffer.writeUInt16BE(entry.mode & 0o7777, this.#at);
    this.#text(entry.name);
    if (owner) {
      this.#number(entry.uid);
      this.#number(entry.gid);
    }
    if (entry.group !== undefined) this.#number(entry.group);
    if (entry.capability !== undefined) this.#text(entry.capability);
    this.#particulars(entry, digest);
  }

  /** The list so far, valid until the next {@link start}. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  #particulars(entry: ListEntry, digest: Uint8Array | undefined): void {
    if (entry.type === "file") {
      const size = entry.size ?? 0;
      this.#number(Math.floor(size / 2 ** 32));
      this.#number(size % 2 ** 32);
    }
    if (entry.type === "file" || entry.type === "dir") {
      if (digest) this.#buffer.set(digest, this.#at);
      else this.#buffer.write(entry.digest ?? "", this.#at, "hex");
      this.#at += 32;
    } else if (entry.type === "symlink") {
      this.#text(entry.link ?? "");
    } else if (entry.type !== "fifo") {
      this.#number(entry.devMajor ?? 0);
      this.#number(entry.devMinor ?? 0);
    }
  }

  #text(text: ByteString): void {
    this.#at = this.#buffer.writeUInt16BE(text.length, this.#at);
    this.#at += this.#buffer.write(text, this.#at, "latin1");
  }

  #number(value: number): void {
    this.#at = this.#buffer.writeUInt32BE(value >>> 0, this.#at);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/**
 * Reads a list back.
 * @throws NacreError CONTENT_INVALID if the bytes are not a list
 */
export function parseList(bytes: Uint8Array): ListEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString("latin1", 0, 4) !== MAGIC) throw invalid("it does not begin as one");
  const reader = new ListReader(buffer);
  const entries: ListEntry[] = [];
  while (!reader.done) entries.push(reader.entry());
  return entries;
}

class ListReader {
  readonly #buffer: Buffer;
  #at = MAGIC.length;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at === this.#buffer.length;
  }

  entry(): ListEntry {
    const head = this.#take(4);
    const type = TYPES.get(head[0]!);
    if (!type) throw invalid(`there is no type ${head[0]}`);
    const flags = head[1]!;
    const name = this.#text();
    const [uid, gid] = flags & OWNER ? [this.#number(), this.#number()] : [0, 0];
    const group = flags & GROUP ? this.#number() : undefined;
    const capability = flags & CAPABILITY ? this.#text() : undefined;
    return { name, type, mode: head.readUInt16BE(2), uid, gid, group, capability, ...this.#particulars(type) };
  }

  #particulars(type: FileType): Partial<ListEntry> {
    if (type === "file") return { size: this.#number() * 2 ** 32 + this.#number(), digest: this.#digest() };
    if (type === "dir") return { digest: this.#digest() };
    if (type === "symlink") return { link: this.#text() };
    return type === "fifo" ? {} : { devMajor: this.#number(), devMinor: this.#number() };
  }

  #digest(): string {
    return this.#take(32).toString("hex");
  }

  #text(): ByteString {
    return this.#take(this.#take(2).readUInt16BE(0)).toString("latin1");
  }

  #number(): number {
    return this.#take(4).readUInt32BE(0);
  }

  #take(length: number): Buffer {
    const part = this.#buffer.subarray(this.#at, this.#at + length);
    if (part.length !== length) throw invalid("it ends within an entry");
    this.#at += length;
    return part;
  }
}

/** Where an entry stands in the bytes of a list. */
export interface EntryPlace {
  readonly start: number;
  readonly end: number;
  readonly type: FileType;
  readonly nameStart: number;
  readonly nameEnd: number;
}

/** Where the first entry of a list begins. */
export const FIRST_ENTRY = MAGIC.length;

/**
 * Goes through the entries of a list without reading them; several times as fast as {@link parseList}. The place that
 * `visit` is given is good until it returns.
 * @throws NacreError CONTENT_INVALID if the bytes are not a list
 */
export function scanList(bytes: Uint8Array, visit: (place: EntryPlace) => void): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString("latin1", 0, FIRST_ENTRY) !== MAGIC) throw invalid("it does not begin as one");
  const place = { start: FIRST_ENTRY, end: FIRST_ENTRY, type: "file" as FileType, nameStart: 0, nameEnd: 0 };
  const lengthAt = (at: number): number => {
    if (at + 2 > buffer.length) throw invalid("it ends within an entry");
    return 2 + buffer.readUInt16BE(at);
  };
  while (place.end < buffer.length) {
    place.start = place.end;
    const type = TYPES.get(buffer[place.start]!);
    if (!type) throw invalid(`there is no type ${buffer[place.start]}`);
    const flags = buffer[place.start + 1] ?? 0;
    place.type = type;
    place.nameStart = place.start + 6;
    let at = place.start + 4 + lengthAt(place.start + 4);
    place.nameEnd = at;
    at += (flags & OWNER ? 8 : 0) + (flags & GROUP ? 4 : 0);
    if (flags & CAPABILITY) at += lengthAt(at);
    place.end = at + (type === "symlink" ? lengthAt(at) : PARTICULARS[type]);
    if (place.end > buffer.length) throw invalid("it ends within an entry");
    visit(place);
  }
}

/** Bytes at the end of an entry, by type. */
const PARTICULARS = { file: 40, dir: DIGEST_BYTES, char: 8, block: 8, fifo: 0 } as const;

/** The digest at the end of a file's or directory's entry, 64 hex digits. */
export function entryDigest(bytes: Uint8Array, { end }: EntryPlace): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex", end - DIGEST_BYTES, end);
}

function invalid(why: string): NacreError {
  return new NacreError("CONTENT_INVALID", `this is not a list of files: ${why}`, {
    hint: "the list is only needed to explain a cache miss; it is made again by the next build",
  });
}
