/** Writing single fields of a header block. Each function returns what it adds to the header's checksum. */
import type { ByteString } from "../support/bytes.js";
import { BLOCK_SIZE, FIELD } from "./block.js";

const NAME_LENGTH = FIELD.name.length;
const PREFIX_LENGTH = FIELD.prefix.length;
const SLASH = 0x2f;

/** A header of zeros in every number, with magic and version, so that only what differs must be written. */
export const TEMPLATE = makeTemplate();
/** Sum of the template's bytes, with blanks in the place of the checksum as the checksum itself wants it. */
export const TEMPLATE_SUM = TEMPLATE.reduce((sum, byte) => sum + byte, 0) + FIELD.checksum.length * 0x20;

function makeTemplate(): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  for (const field of [FIELD.mode, FIELD.uid, FIELD.gid, FIELD.size, FIELD.mtime, FIELD.devMajor, FIELD.devMinor]) {
    block.fill("0", field.at, field.at + field.length - 1);
  }
  block.write("ustar\x0000", FIELD.magic.at, "latin1");
  return block;
}

/** Six digits, a NUL, a blank: the one field with another ending. */
export function putChecksum(target: Buffer, at: number, sum: number): void {
  const field = at + FIELD.checksum.at;
  target.fill(0x30, field, field + 6);
  putOctal(target, field + 6, sum);
  target[field + 6] = 0;
  target[field + 7] = 0x20;
}

/** Writes digits backwards from `end` over the template's zeros. @returns how much that adds to the sum */
export function putOctal(target: Buffer, end: number, value: number): number {
  let added = 0;
  let rest = value;
  let at = end - 1;
  for (; rest > 0x7fffffff; at--) {
    const digit = rest % 8;
    target[at] = 0x30 + digit;
    added += digit;
    rest = (rest - digit) / 8;
  }
  for (; rest > 0; at--) {
    target[at] = 0x30 + (rest & 7);
    added += rest & 7;
    rest >>>= 3;
  }
  return added;
}

/** Writes `text[from, to)`. @returns the sum of its bytes, or -1 if it has a NUL or is not ASCII */
export function putAscii(target: Buffer, at: number, text: ByteString, from: number, to: number): number {
  let sum = 0;
  for (let i = from, out = at; i < to; i++, out++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code > 127) return -1;
    target[out] = code;
    sum += code;
  }
  return sum;
}

/**
 * Where a name of more than 100 bytes is cut into ustar's prefix and name: at the last slash that leaves at most 155
 * bytes before it (Go: splitUSTARPath, which decides for one split where POSIX allows several).
 * @returns the position of that slash, or -1
 */
export function splitPoint(name: ByteString): number {
  let length = name.length;
  if (length > PREFIX_LENGTH + 1) length = PREFIX_LENGTH + 1;
  else if (name.charCodeAt(length - 1) === SLASH) length--;
  const slash = name.lastIndexOf("/", length - 1);
  const rest = name.length - slash - 1;
  return slash <= 0 || rest > NAME_LENGTH || rest === 0 ? -1 : slash;
}

/** True for a name that a ustar header can hold as it is: no NUL, no byte above 127. */
export function isAsciiName(name: ByteString): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0 || code > 127) return false;
  }
  return true;
}

/** What is left of a text without the bytes that a ustar header cannot hold. */
export const asciiOf = (text: ByteString) => text.replace(/[\0\x80-\xff]/g, "");

/**
 * For readers without PAX: the ASCII part of a text, as much as fits. A cut that ends in a slash loses it, because some
 * readers would take the member for a directory (Go: formatString).
 */
export function putBestEffort(target: Buffer, at: number, text: ByteString): number {
  const ascii = asciiOf(text);
  let shown = ascii.slice(0, NAME_LENGTH);
  if (ascii.length > NAME_LENGTH && shown.endsWith("/")) shown = shown.replace(/\/+$/, "");
  return putAscii(target, at, shown, 0, shown.length);
}
