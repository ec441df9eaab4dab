/** Reading and hashing open files of a context. */
import * as fs from "node:fs";
import type { ContentReader } from "../layer/fileTree.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { Pacer } from "./pacer.js";

/** Large files are read in pieces of this size, which stay in the processor's cache between reading and hashing. */
export const CHUNK = 128 * 1024;

/** A file without content. */
export const EMPTY_READER: ContentReader = { read: () => 0, close: () => {} };

/** SHA-256 of nothing. */
export const EMPTY_DIGEST = sha256Hex(new Uint8Array(0));

/** Reads an open descriptor from front to back and closes it. */
export function descriptorReader(descriptor: number): ContentReader {
  return {
    read: (target, at, length) => fs.readSync(descriptor, target, at, length, null),
    close: () => fs.closeSync(descriptor),
  };
}

/** What was read of a file. */
export interface HashedContent {
  readonly hex: string;
  readonly bytes: number;
}

/**
 * Hashes an open file that fits in the buffer.
 * @param size bytes that are expected; no more are read
 */
export function hashSmall(descriptor: number, size: number, buffer: Buffer): HashedContent {
  let bytes = 0;
  while (bytes < size) {
    const read = fs.readSync(descriptor, buffer, bytes, size - bytes, null);
    if (read === 0) break;
    bytes += read;
  }
  return { hex: sha256Hex(buffer.subarray(0, bytes)), bytes };
}

/** Hashes an open file of any size, letting other work run in between. */
export async function hashLarge(
  descriptor: number,
  size: number,
  buffer: Buffer,
  pacer: Pacer,
  onProgress: (bytes: number) => void,
): Promise<HashedContent> {
  const hasher = createHasher();
  let bytes = 0;
  while (bytes < size) {
    const read = fs.readSync(descriptor, buffer, 0, Math.min(buffer.length, size - bytes), null);
    if (read === 0) break;
    hasher.update(buffer.subarray(0, read));
    bytes += read;
    onProgress(read);
    if (pacer.isDue()) await pacer.pause();
  }
  return { hex: hasher.hex(), bytes };
}
