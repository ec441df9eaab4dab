/**
 * The tar encoder. In come members, out go header bytes: the same bytes for the same member on every machine, and the
 * same bytes as Go's archive/tar writes for Docker and BuildKit. Headers are plain ustar wherever a member fits one;
 * a PAX extended header precedes what does not. Nothing of GNU's own dialect is written, user and group names are
 * empty, times are whole seconds, atime and ctime are never stored.
 */
import { posix } from "node:path";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { BLOCK_SIZE, END_OF_ARCHIVE, FIELD, MAX_EXTENSION, MAX_OCTAL_8, MAX_OCTAL_12, paddingOf } from "./block.js";
import type { TarEntry, TarEntryType } from "./entry.js";
import {
  asciiOf,
  isAsciiName,
  putAscii,
  putBestEffort,
  putChecksum,
  putOctal,
  splitPoint,
  TEMPLATE,
  TEMPLATE_SUM,
} from "./fields.js";
import { encodePaxRecords, SCHILY_XATTR } from "./pax.js";

export { END_OF_ARCHIVE, paddingOf } from "./block.js";

const TYPE_FLAGS: Readonly<Record<TarEntryType, number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  dir: 0x35,
  fifo: 0x36,
};

const NAME_LENGTH = FIELD.name.length;

/**
 * All header blocks of a member: one, or with a PAX extended header three or more. Content, padding and the end of the
 * archive are up to the caller (see {@link paddingOf}, {@link END_OF_ARCHIVE}).
 *
 * @throws NacreError TAR_INVALID if no tar archive can hold the member: a NUL in its path, a link without a target,
 *   a negative size or id, a device number above 2097151 (Linux ends at 1048575)
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const target = Buffer.allocUnsafe(headerLength(entry));
  encodeHeaderInto(entry, target, 0);
  return target;
}

/**
 * The same as {@link encodeHeader}, into a buffer of the caller, without allocating for members that need no extended header.
 *
 * @param target must have {@link headerLength} bytes from `at` on; what it held there does not matter
 * @returns where the header ends
 */
export function encodeHeaderInto(entry: TarEntry, target: Buffer, at: number): number {
  checkEntry(entry);
  if (entry.xattrs === undefined && numbersFit(entry) && putPlainHeader(entry, target, at)) return at + BLOCK_SIZE;
  return putExtendedHeader(entry, target, at);
}

/** Bytes that {@link encodeHeader} makes of a member: a multiple of 512. */
export function headerLength(entry: TarEntry): number {
  const records = paxRecords(entry);
  if (records === undefined) return BLOCK_SIZE;
  return 2 * BLOCK_SIZE + blockAligned(encodePaxRecords(records).length);
}

const blockAligned = (size: number) => size + paddingOf(size);

/** Writes a whole archive to a sink, one member after the other. */
export class TarWriter {
  readonly #sink: (chunk: Buffer) => void;
  #remaining = 0;
  #padding = 0;
  #path: ByteString = "";

  /** @param sink receives the archive in pieces, which are not changed afterwards */
  constructor(sink: (chunk: Buffer) => void) {
    this.#sink = sink;
  }

  /** Starts a member; a file's `entry.size` bytes of content must follow, here or by {@link write}. */
  add(entry: TarEntry, content?: Uint8Array): void {
    this.#finishMember();
    this.#sink(encodeHeader(entry));
    this.#path = entry.path;
    this.#remaining = sizeOf(entry);
    this.#padding = paddingOf(this.#remaining);
    if (content) this.write(content);
  }

  /** The next piece of the member's content. @throws NacreError TAR_INVALID if it is more than the member's size */
  write(content: Uint8Array): void {
    if (content.length > this.#remaining) throw invalid(this.#path, "has more content than its size says");
    this.#remaining -= content.length;
    if (content.length > 0) this.#sink(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  }

  /** Ends the archive. */
  end(): void {
    this.#finishMember();
    this.#sink(END_OF_ARCHIVE);
  }

  #finishMember(): void {
    if (this.#remaining > 0) throw invalid(this.#path, `lacks ${this.#remaining} bytes of content`);
    if (this.#padding > 0) this.#sink(END_OF_ARCHIVE.subarray(0, this.#padding));
    this.#padding = 0;
  }
}

function invalid(path: ByteString, problem: string): NacreError {
  return new NacreError("TAR_INVALID", `${JSON.stringify(path)} ${problem}`, {
    hint: "a tar archive cannot hold it like this; change or exclude it",
    facts: { member: path },
  });
}

const isLink = (entry: TarEntry) => entry.type === "hardlink" || entry.type === "symlink";
const isDevice = (entry: TarEntry) => entry.type === "char" || entry.type === "block";
const sizeOf = (entry: TarEntry) => (entry.type === "file" ? entry.size : 0);

/** The name as it stands in the archive: directories end in a slash, the root is `./`. */
function archiveName(entry: TarEntry): ByteString {
  const { path, type } = entry;
  if (type !== "dir" || path.endsWith("/")) return path;
  return path === "" ? "./" : `${path}/`;
}

function numbersFit(entry: TarEntry): boolean {
  const { uid, gid, size, mtime } = entry;
  if (!(uid >= 0 && uid <= MAX_OCTAL_8 && gid >= 0 && gid <= MAX_OCTAL_8)) return false;
  return size >= 0 && size <= MAX_OCTAL_12 && mtime >= 0 && mtime <= MAX_OCTAL_12;
}

/** Writes a ustar header, or returns false (leaving rubbish in the target) if the member's name or link does not fit one. */
function putPlainHeader(entry: TarEntry, target: Buffer, at: number): boolean {
  const name = archiveName(entry);
  const split = name.length <= NAME_LENGTH ? 0 : splitPoint(name);
  if (split < 0) return false;
  target.set(TEMPLATE, at);
  const nameSum = putAscii(target, at + FIELD.name.at, name, split === 0 ? 0 : split + 1, name.length);
  const prefixSum = putAscii(target, at + FIELD.prefix.at, name, 0, split);
  const linkSum = putLink(entry, target, at);
  if (nameSum < 0 || prefixSum < 0 || linkSum < 0) return false;
  putNumbersAndSum(entry, target, at, nameSum + prefixSum + linkSum);
  return true;
}

function putLink(entry: TarEntry, target: Buffer, at: number): number {
  if (entry.link === undefined || !isLink(entry)) return 0;
  if (entry.link.length > FIELD.link.length) return -1;
  return putAscii(target, at + FIELD.link.at, entry.link, 0, entry.link.length);
}

/** Fills in what every header has and seals it. @param textSum sum of the bytes of its strings */
function putNumbersAndSum(entry: TarEntry, target: Buffer, at: number, textSum: number): void {
  let sum = TEMPLATE_SUM + textSum;
  sum += putOctal(target, at + FIELD.mode.at + 7, entry.mode & 0o7777);
  sum += putOctal(target, at + FIELD.uid.at + 7, fitting(entry.uid, MAX_OCTAL_8));
  sum += putOctal(target, at + FIELD.gid.at + 7, fitting(entry.gid, MAX_OCTAL_8));
  sum += putOctal(target, at + FIELD.size.at + 11, fitting(sizeOf(entry), MAX_OCTAL_12));
  sum += putOctal(target, at + FIELD.mtime.at + 11, fitting(entry.mtime, MAX_OCTAL_12));
  if (isDevice(entry)) {
    sum += putOctal(target, at + FIELD.devMajor.at + 7, entry.devMajor ?? 0);
    sum += putOctal(target, at + FIELD.devMinor.at + 7, entry.devMinor ?? 0);
  }
  const flag = TYPE_FLAGS[entry.type];
  target[at + FIELD.type.at] = flag;
  putChecksum(target, at, sum + flag);
}

/** A number that a field cannot hold is 0 there, as Go writes it; its PAX record has the truth. */
const fitting = (value: number, max: number) => (value >= 0 && value <= max ? value : 0);

function checkEntry(entry: TarEntry): void {
  const { path, type, uid, gid, size, mtime } = entry;
  if (path === "" && type !== "dir") throw invalid(path, "is a name that only a directory can have");
  if (type !== "dir" && path.endsWith("/")) throw invalid(path, "ends in a slash but is not a directory");
  if (isLink(entry) && !entry.link) throw invalid(path, "is a link without a target");
  if (!isCount(uid) || !isCount(gid)) throw invalid(path, `has an impossible owner: ${uid}:${gid}`);
  if (!isCount(size)) throw invalid(path, `has the impossible size ${size}`);
  if (!Number.isSafeInteger(mtime)) throw invalid(path, `has the impossible time ${mtime}`);
  if (isDevice(entry)) checkDevice(entry);
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;

function checkDevice(entry: TarEntry): void {
  const { devMajor = 0, devMinor = 0 } = entry;
  // No dialect has a field for larger ones that all readers know; Linux itself ends far below.
  if (!isCount(devMajor) || !isCount(devMinor) || devMajor > MAX_OCTAL_8 || devMinor > MAX_OCTAL_8) {
    throw invalid(entry.path, `has impossible device numbers: ${devMajor}, ${devMinor}`);
  }
}

/** The PAX records that a member needs (key order does not matter), or undefined if a ustar header holds it all. */
function paxRecords(entry: TarEntry): ReadonlyMap<string, ByteString> | undefined {
  const records = new Map<string, ByteString>();
  const name = archiveName(entry);
  const plainName = isAsciiName(name) && (name.length <= NAME_LENGTH || splitPoint(name) >= 0);
  if (!plainName) records.set("path", name);
  if (isLink(entry) && entry.link !== undefined && !(isAsciiName(entry.link) && entry.link.length <= NAME_LENGTH)) {
    records.set("linkpath", entry.link);
  }
  addNumber(records, "uid", entry.uid, MAX_OCTAL_8);
  addNumber(records, "gid", entry.gid, MAX_OCTAL_8);
  addNumber(records, "size", sizeOf(entry), MAX_OCTAL_12);
  addNumber(records, "mtime", entry.mtime, MAX_OCTAL_12);
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) records.set(SCHILY_XATTR + key, value);
  if (records.size === 0) return undefined;
  // Once there is an extended header, Go uses no prefix any more: a long name goes into a record.
  if (name.length > NAME_LENGTH) records.set("path", name);
  return records;
}

function addNumber(records: Map<string, ByteString>, key: string, value: number, max: number): void {
  if (value < 0 || value > max) records.set(key, String(value));
}

function putExtendedHeader(entry: TarEntry, target: Buffer, at: number): number {
  checkBytes(entry);
  const records = paxRecords(entry);
  if (records === undefined) {
    putPlainHeader(entry, target, at);
    return at + BLOCK_SIZE;
  }
  const start = putPaxBlocks(archiveName(entry), records, target, at);
  target.set(TEMPLATE, start);
  const nameSum = putBestEffort(target, start + FIELD.name.at, archiveName(entry));
  const linkSum = isLink(entry) ? putBestEffort(target, start + FIELD.link.at, entry.link!) : 0;
  putNumbersAndSum(entry, target, start, nameSum + linkSum);
  return start + BLOCK_SIZE;
}

function checkBytes(entry: TarEntry): void {
  const values = Object.entries(entry.xattrs ?? {}).flat();
  for (const text of [entry.path, entry.link ?? "", ...values]) {
    if (/[^\0-\xff]/.test(text)) throw invalid(entry.path, "has a name or attribute that is not a byte string");
  }
  if (entry.path.includes("\0") || entry.link?.includes("\0")) throw invalid(entry.path, "has a NUL in its name");
}

function putPaxBlocks(name: ByteString, records: ReadonlyMap<string, ByteString>, target: Buffer, at: number): number {
  const data = encodePaxRecords(records);
  if (data.length > MAX_EXTENSION) throw invalid(name, "has more attributes than fit into an extended header of 1 MiB");
  putPaxHeader(name, data.length, target, at);
  const start = at + BLOCK_SIZE;
  const end = start + blockAligned(data.length);
  target.set(data, start);
  target.fill(0, start + data.length, end);
  return end;
}

/** The header of the extended header itself: named `DIR/PaxHeaders.0/BASE`, no device numbers, all else zero (Go: writeRawFile). */
function putPaxHeader(name: ByteString, size: number, target: Buffer, at: number): void {
  const cut = name.lastIndexOf("/") + 1;
  const full = posix.join(name.slice(0, cut), "PaxHeaders.0", name.slice(cut));
  const shown = asciiOf(full).slice(0, NAME_LENGTH).replace(/\/+$/, "");
  target.set(TEMPLATE, at);
  target.fill(0, at + FIELD.devMajor.at, at + FIELD.prefix.at);
  let sum = TEMPLATE_SUM - 14 * 0x30 + putAscii(target, at + FIELD.name.at, shown, 0, shown.length);
  sum += putOctal(target, at + FIELD.size.at + 11, size);
  target[at + FIELD.type.at] = PAX_FLAG;
  putChecksum(target, at, sum + PAX_FLAG);
}

const PAX_FLAG = 0x78;
