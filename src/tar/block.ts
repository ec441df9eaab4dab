/** The 512-byte block of tar: where the fields of a header lie (POSIX pax, "ustar Interchange Format") and what ends an archive. */

/** Everything in a tar archive is a multiple of this many bytes. */
export const BLOCK_SIZE = 512;

/** What ends an archive: two blocks of zeros. Do not write into it. */
export const END_OF_ARCHIVE: Buffer = Buffer.alloc(2 * BLOCK_SIZE);

/** Zero bytes that follow `size` bytes of content, so that the next header starts at a block: 0 to 511. */
export function paddingOf(size: number): number {
  const rest = size % BLOCK_SIZE;
  return rest === 0 ? 0 : BLOCK_SIZE - rest;
}

/** Start and length of each field of a header. */
export const FIELD = {
  name: { at: 0, length: 100 },
  mode: { at: 100, length: 8 },
  uid: { at: 108, length: 8 },
  gid: { at: 116, length: 8 },
  size: { at: 124, length: 12 },
  mtime: { at: 136, length: 12 },
  checksum: { at: 148, length: 8 },
  type: { at: 156, length: 1 },
  link: { at: 157, length: 100 },
  /** Magic and version together. */
  magic: { at: 257, length: 8 },
  devMajor: { at: 329, length: 8 },
  devMinor: { at: 337, length: 8 },
  prefix: { at: 345, length: 155 },
} as const;

/** Largest number in an 8-byte field: 7 octal digits and a NUL. */
export const MAX_OCTAL_8 = 0o7777777;
/** Largest number in a 12-byte field: 11 octal digits and a NUL. */
export const MAX_OCTAL_12 = 0o77777777777;

/** Longest extended header that is written or read; Go's archive/tar has the same limit. */
export const MAX_EXTENSION = 1024 * 1024;
