/** Reading one header block. Whatever readers are known to understand differently is refused rather than guessed. */
import type { ByteString } from "../support/bytes.js";
import { BLOCK_SIZE, FIELD } from "./block.js";

/** Who wrote a header, as far as it matters for its fields. */
export type Dialect = "v7" | "ustar" | "gnu";

/** A header block, before extended headers are applied. */
export interface RawHeader {
  readonly dialect: Dialect;
  /** The type flag's character; NUL is `"\0"`. */
  readonly flag: string;
  /** The name with its prefix, as it stands, with a trailing slash if there is one. */
  readonly name: ByteString;
  readonly link: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** Throws the error that names the member and its place. */
export type Fail = (problem: string) => never;

const BLANK = 0x20;
const CHECKSUM_END = FIELD.checksum.at + FIELD.checksum.length;

/** True for a block of zeros: half of the end of an archive. */
export function isZeroBlock(block: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK_SIZE; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * True if the bytes start with a tar header: one whose checksum is right. An archive without members has none.
 * @param head the first 512 bytes of a file, or more; fewer are no header
 */
export function startsWithTarHeader(head: Uint8Array): boolean {
  if (head.length < BLOCK_SIZE) return false;
  const block = Buffer.from(head.buffer, head.byteOffset, BLOCK_SIZE);
  return !isZeroBlock(block, 0) && checksumMatches(block, 0);
}

/** Reads the header at `at`; the caller has made sure that it is not a zero block. */
export function readHeader(block: Buffer, at: number, fail: Fail): RawHeader {
  if (!checksumMatches(block, at)) fail("the header's checksum is wrong");
  const dialect = dialectOf(block, at, fail);
  return {
    dialect,
    flag: String.fromCharCode(block[at + FIELD.type.at]!),
    name: nameOf(block, at, dialect, fail),
    link: text(block, at + FIELD.link.at, FIELD.link.length),
    mode: count(block, at, FIELD.mode, "mode", fail),
    uid: count(block, at, FIELD.uid, "user id", fail),
    gid: count(block, at, FIELD.gid, "group id", fail),
    size: sizeOf(block, at, fail),
    mtime: number(block, at, FIELD.mtime, "time", fail),
    devMajor: count(block, at, FIELD.devMajor, "device number", fail),
    devMinor: count(block, at, FIELD.devMinor, "device number", fail),
  };
}

/** POSIX sums unsigned bytes; some old writers summed signed ones, and every reader takes either. */
function checksumMatches(block: Buffer, at: number): boolean {
  const stored = parseNumber(block, at + FIELD.checksum.at, FIELD.checksum.length);
  let sum = FIELD.checksum.length * BLANK;
  let high = 0;
  for (let i = at; i < at + FIELD.checksum.at; i++) {
    const byte = block[i]!;
    sum += byte;
    high += byte >>> 7;
  }
  for (let i = at + CHECKSUM_END; i < at + BLOCK_SIZE; i++) {
    const byte = block[i]!;
    sum += byte;
    high += byte >>> 7;
  }
  return stored === sum || stored === sum - 256 * high;
}

/** `ustar`, NUL, any version: POSIX (star too). `ustar`, two blanks, NUL: GNU. No `ustar` at all: from before POSIX. */
function dialectOf(block: Buffer, at: number, fail: Fail): Dialect {
  const magic = block.toString("latin1", at + FIELD.magic.at, at + FIELD.magic.at + FIELD.magic.length);
  if (magic.startsWith("ustar\0")) return "ustar";
  if (magic === "ustar  \0") return "gnu";
  // libarchive would read this as POSIX, Go and GNU tar as an old header.
  if (magic.startsWith("ustar")) fail("the header's magic is neither POSIX's nor GNU's");
  return "v7";
}

const STAR_PREFIX_LENGTH = 131;

function nameOf(block: Buffer, at: number, dialect: Dialect, fail: Fail): ByteString {
  const name = text(block, at + FIELD.name.at, FIELD.name.length);
  const prefixAt = at + FIELD.prefix.at;
  if (block[prefixAt] === 0) return name;
  if (dialect === "ustar") {
    const prefix = text(block, prefixAt, FIELD.prefix.length);
    // star ends its prefix earlier and keeps times behind it; only a prefix that is shorter reads the same for all.
    const isStar = block.toString("latin1", at + 508, at + BLOCK_SIZE) === "tar\0";
    if (isStar && prefix.length >= STAR_PREFIX_LENGTH) fail("the header's prefix is ambiguous");
    return `${prefix}/${name}`;
  }
  // GNU tar keeps access and change times here (in incremental archives); some readers would take anything else for a prefix.
  const times = dialect === "gnu" && isNumber(block, prefixAt, 12) && isNumber(block, prefixAt + 12, 12);
  if (!times) fail("the header has bytes where its dialect has no field");
  return name;
}

interface Field {
  readonly at: number;
  readonly length: number;
}

function sizeOf(block: Buffer, at: number, fail: Fail): number {
  const size = count(block, at, FIELD.size, "size", fail);
  // GNU tar refuses an empty field, Go and Python take it for 0.
  if (size === 0 && isBlank(block, at + FIELD.size.at, FIELD.size.length)) fail("the header has no size");
  return size;
}

function count(block: Buffer, at: number, field: Field, what: string, fail: Fail): number {
  const value = number(block, at, field, what, fail);
  if (value < 0) fail(`the header has a negative ${what}`);
  return value;
}

function number(block: Buffer, at: number, field: Field, what: string, fail: Fail): number {
  const value = parseNumber(block, at + field.at, field.length);
  if (Number.isNaN(value)) fail(`the header's ${what} is not a number`);
  return value;
}

/** Bytes up to the first NUL, or the whole field. */
function text(block: Buffer, at: number, length: number): ByteString {
  if (block[at] === 0) return "";
  const end = at + length;
  const nul = block.indexOf(0, at);
  return block.toString("latin1", at, nul >= 0 && nul < end ? nul : end);
}

const isNumber = (block: Buffer, at: number, length: number) => !Number.isNaN(parseNumber(block, at, length));

function isBlank(block: Buffer, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (block[i] !== 0 && block[i] !== BLANK) return false;
  return true;
}

/**
 * A numeric field: blanks, octal digits, then blanks or a NUL; or GNU's base-256 with the first byte 0x80 or 0xff.
 * An empty field is 0. @returns NaN for anything else, and for numbers above 2^53
 */
export function parseNumber(block: Buffer, at: number, length: number): number {
  const first = block[at]!;
  if (first >= 0x80) return parseBase256(block, at, length);
  const end = at + length;
  let i = at;
  while (i < end && block[i] === BLANK) i++;
  const start = i;
  let value = 0;
  for (; i < end; i++) {
    const digit = block[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return endsCleanly(block, i, end, i > start) ? value : Number.NaN;
}

/**
 * After the digits: nothing, or a NUL and whatever follows it, or blanks and then one of these. Where there are no digits
 * the whole field must be empty, because readers differ about digits behind a NUL.
 */
function endsCleanly(block: Buffer, from: number, end: number, hasDigits: boolean): boolean {
  if (!hasDigits) return isBlank(block, from, end - from);
  let i = from;
  while (i < end && block[i] === BLANK) i++;
  return i === end || block[i] === 0;
}

function parseBase256(block: Buffer, at: number, length: number): number {
  const first = block[at]!;
  if (first !== 0x80 && first !== 0xff) return Number.NaN;
  let value = first === 0xff ? -1 : 0;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
