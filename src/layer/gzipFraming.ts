/**
 * One gzip file out of blocks that were compressed apart from each other. Each block is raw deflate data that ends on a
 * byte boundary and is not marked as the last (RFC 1951 §3.2.3; zlib's sync flush), so blocks can stand one after the
 * other within a single member. A file of one member for each block would be shorter to make and valid too, but
 * Python's streaming tarfile (`r|gz`) and other readers silently stop after the first member.
 */
import { promisify } from "node:util";
import { constants, crc32, deflateRaw, type ZlibOptions } from "node:zlib";

/** Puts blocks together to a file: what `begin`, `add` and `end` give, one after the other. */
export interface Framing {
  begin(): Buffer;
  /** @param block as the codec's `compress` gave it */
  add(block: Buffer): Buffer;
  end(): Buffer;
  /** What `add` gives for a block, whatever stands before it. */
  bytesOf(block: Buffer): Buffer;
}

/** RFC 1952 §2.3: deflate, no flags, no time, no hint of the level, operating system unknown. */
const HEADER = Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** An empty last block with fixed codes. */
const LAST_BLOCK = Buffer.of(3, 0);
/** Before a block's data: CRC-32 and length of what it unpacks to, 4 bytes each. */
const PREFIX_BYTES = 8;

const deflate = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw);

/** Compresses one block for {@link GzipFraming}. */
export async function gzipBlock(raw: Buffer, level: number): Promise<Buffer> {
  const data = await deflate(raw, { level, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: roomFor(raw.length) });
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(crc32(raw));
  prefix.writeUInt32LE(raw.length, 4);
  return Buffer.concat([prefix, data]);
}

/**
 * Room for all that comes out. Whenever zlib runs out of it, a thread stands still until this one brings more; with
 * Node's usual 16 KiB two processors did the work of one.
 */
function roomFor(length: number): number {
  return length + (length >>> 8) + 1024;
}

/** Makes one member. */
export class GzipFraming implements Framing {
  #crc = 0;
  #size = 0;

  begin(): Buffer {
    return HEADER;
  }

  add(block: Buffer): Buffer {
    const length = block.readUInt32LE(4);
    this.#crc = combineCrc32(this.#crc, block.readUInt32LE(0), length);
    this.#size += length;
    return this.bytesOf(block);
  }

  bytesOf(block: Buffer): Buffer {
    return block.subarray(PREFIX_BYTES);
  }

  end(): Buffer {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc);
    trailer.writeUInt32LE(this.#size % 2 ** 32, 4);
    return Buffer.concat([LAST_BLOCK, trailer]);
  }
}

/** CRC-32's polynomial, its bits reversed: the highest bit stands for x^0. */
const POLYNOMIAL = 0xedb88320;
const X_0 = 0x80000000;
const X_8 = 0x00800000;

/**
 * The CRC-32 of two stretches of bytes one after the other, from the CRC-32 of each. Bytes that follow multiply what
 * stands before them by x^8, modulo the polynomial.
 * @param length bytes of the second stretch
 */
export function combineCrc32(first: number, second: number, length: number): number {
  let shift = X_0;
  let square = X_8;
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) shift = multiply(shift, square);
    square = multiply(square, square);
  }
  return (multiply(shift, first) ^ second) >>> 0;
}

/** The product of two polynomials over GF(2), modulo CRC-32's. */
function multiply(a: number, b: number): number {
  let product = 0;
  let term = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= term;
    term = (term >>> 1) ^ (term & 1 ? POLYNOMIAL : 0);
  }
  return product >>> 0;
}
