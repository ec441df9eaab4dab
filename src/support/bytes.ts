/**
 * Two kinds of strings, kept apart by name:
 *
 * - *text*: ordinary JavaScript strings, decoded from UTF-8. Bytes that are not UTF-8 are held as lone surrogates
 *   U+DC80…U+DCFF (as Python's `surrogateescape` does), so that a text always encodes back to the bytes it came from.
 * - *byte strings*: one character per byte (latin1). Every path, link target and xattr value inside layers, trees and
 *   contexts is one, so that names that are not UTF-8 survive and the order of `<` is byte order.
 */

/** A path or name as bytes, one character (0–255) each. */
export type ByteString = string;

/** Decodes UTF-8; a byte that is not part of valid UTF-8 becomes U+DC00 + byte. */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  return escapeInvalid(buffer);
}

/** Encodes a text of {@link decodeText} back to its bytes. */
export function encodeText(text: string): Buffer {
  if (!/[\udc80-\udcff]/.test(text)) return Buffer.from(text, "utf8");
  const parts: Buffer[] = [];
  // A low surrogate that follows a high one is half of a real character; only lone ones stand for bytes.
  const pattern = /(?<![\ud800-\udbff])[\udc80-\udcff]/g;
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(Buffer.from(text.slice(last, match.index), "utf8"), Buffer.of(match[0].charCodeAt(0) - 0xdc00));
    last = match.index + 1;
  }
  parts.push(Buffer.from(text.slice(last), "utf8"));
  return Buffer.concat(parts);
}

/** The byte string of a text. */
export function toByteString(text: string): ByteString {
  return isAscii(text) ? text : encodeText(text).toString("latin1");
}

/** The text of a byte string. */
export function fromByteString(bytes: ByteString): string {
  return isAscii(bytes) ? bytes : decodeText(Buffer.from(bytes, "latin1"));
}

/** A byte string as an argument of a `node:fs` call: strings would be encoded as UTF-8 and miss such names. */
export function fsPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

/** True if every character is below U+0080, so that text and byte string are the same. */
export function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 127) return false;
  return true;
}

function escapeInvalid(buffer: Buffer): string {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let out = "";
  for (let i = 0; i < buffer.length; ) {
    const length = sequenceLength(buffer[i]!);
    const slice = buffer.subarray(i, i + length);
    try {
      out += strict.decode(slice);
      i += length;
    } catch {
      out += String.fromCharCode(0xdc00 + buffer[i]!);
      i += 1;
    }
  }
  return out;
}

function sequenceLength(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
