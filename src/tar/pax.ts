/**
 * Records of PAX extended headers (POSIX pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, where LENGTH counts the
 * whole record in decimal digits. Keys and values are bytes; readers and writers here never decode them.
 */
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** The records of one extended header. Where a key comes twice the last one counts, as POSIX says. */
export interface PaxRecords {
  readonly values: ReadonlyMap<string, ByteString>;
  /** Values of the keys `GNU.sparse.offset` and `GNU.sparse.numbytes` in turn: the one pair of keys that is meant to be repeated. */
  readonly sparsePairs: readonly ByteString[];
}

/** Prefix of the keys that hold extended attributes as raw bytes: what Go, GNU tar and star write. */
export const SCHILY_XATTR = "SCHILY.xattr.";
/** Prefix of libarchive's keys for extended attributes: name percent-encoded, value in base64. */
export const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";

const SPARSE_OFFSET = "GNU.sparse.offset";
const SPARSE_LENGTH = "GNU.sparse.numbytes";
const LONGEST_NUMBER = 20;

/** Encodes records sorted by key, as Go's archive/tar does. @throws NacreError TAR_INVALID for a key that cannot be written */
export function encodePaxRecords(records: ReadonlyMap<string, ByteString>): Buffer {
  const keys = [...records.keys()].sort();
  return Buffer.from(keys.map((key) => encodeRecord(key, records.get(key)!)).join(""), "latin1");
}

function encodeRecord(key: string, value: ByteString): string {
  if (key.includes("=") || key.includes("\0")) {
    throw new NacreError("TAR_INVALID", `the attribute name ${JSON.stringify(key)} cannot be stored in a tar archive`, {
      hint: "rename the extended attribute: = and NUL cannot stand in its name",
    });
  }
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  // Counting the digits may itself add one.
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/**
 * Decodes the content of an extended header.
 *
 * Whatever readers are known to take differently is refused: a wrong length, a missing newline or equals sign, an empty
 * key, a key with a NUL, anything after the last record.
 *
 * @param fail throws the error that names the member
 */
export function decodePaxRecords(data: Buffer, fail: (problem: string) => never): PaxRecords {
  const values = new Map<string, ByteString>();
  const sparsePairs: ByteString[] = [];
  for (let at = 0; at < data.length; ) {
    const end = at + recordLength(data, at, fail);
    const start = data.indexOf(0x20, at) + 1;
    const equals = data.indexOf(0x3d, start);
    if (end > data.length || start >= end) fail("a PAX record is longer or shorter than its header");
    if (data[end - 1] !== 0x0a) fail("a PAX record does not end in a newline");
    if (equals < 0 || equals >= end - 1) fail("a PAX record has no equals sign");
    const key = data.toString("latin1", start, equals);
    if (key === "" || key.includes("\0")) fail("a PAX record has an empty or unreadable key");
    const value = data.toString("latin1", equals + 1, end - 1);
    if (key === SPARSE_OFFSET || key === SPARSE_LENGTH) collectPair(sparsePairs, key, value, fail);
    else values.set(key, value);
    at = end;
  }
  return { values, sparsePairs };
}

/** The decimal number before the first blank. Nothing but digits: Go would take a sign as well, others would not. */
function recordLength(data: Buffer, at: number, fail: (problem: string) => never): number {
  let length = 0;
  let i = at;
  for (; i < data.length && i - at < LONGEST_NUMBER; i++) {
    const digit = data[i]! - 0x30;
    if (digit < 0 || digit > 9) break;
    length = length * 10 + digit;
  }
  if (i === at || data[i] !== 0x20) fail("a PAX record does not start with its length");
  return length;
}

function collectPair(pairs: ByteString[], key: string, value: ByteString, fail: (problem: string) => never): void {
  const wanted = pairs.length % 2 === 0 ? SPARSE_OFFSET : SPARSE_LENGTH;
  if (key !== wanted) fail("the PAX records of a sparse file are out of order");
  pairs.push(value);
}
