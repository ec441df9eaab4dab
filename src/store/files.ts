/** The few file operations that the store is made of, each safe against partial writes and missing files. */
import * as fs from "node:fs";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errnoOf } from "../support/errors.js";
import { createHasher } from "../support/hash.js";

/** Bytes per read when a file is hashed: measured fastest between 64 KiB and 256 KiB. */
const CHUNK = 128 << 10;
/** Bytes hashed before other work of the process gets its turn. */
const TURN = 16 << 20;

/** Writes all bytes; a short write (disk nearly full) is continued until it fails or ends. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, bytes.length - done);
}

/** Writes all parts, small ones in one system call. */
export function writeParts(fd: number, parts: readonly Uint8Array[]): void {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  if (total <= CHUNK && parts.length > 1) writeAll(fd, Buffer.concat(parts));
  else for (const part of parts) writeAll(fd, part);
}

/** The bytes of a file, at offset 0 of memory of their own, or undefined if it does not exist or is longer than `limit`. */
export function readIfThere(path: string, limit = Number.POSITIVE_INFINITY): Buffer | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const stat = fs.fstatSync(fd);
    return stat.isFile() && stat.size <= limit ? readFrom(fd, stat.size) : undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** Reads `size` bytes from the start; fewer if the file ends before. */
export function readFrom(fd: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(size);
  let done = 0;
  while (done < size) {
    const count = fs.readSync(fd, buffer, done, size - done, done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

/** A descriptor for reading, or undefined if the file does not exist. */
export function openIfThere(path: string): number | undefined {
  try {
    // Non-blocking, so that a pipe in the place of a file cannot stop us; for files it means nothing.
    return fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Metadata of a file, or undefined if it does not exist. */
export function statIfThere(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Removes a file; false if it was not there. */
export function unlinkIfThere(path: string): boolean {
  try {
    fs.unlinkSync(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Moves a file, making the directory of its new place where needed; false if it was not there. */
export function renameIfThere(from: string, to: string): boolean {
  for (let attempt = 0; ; attempt++) {
    try {
      fs.renameSync(from, to);
      return true;
    } catch (error) {
      if (!isMissing(error)) throw error;
      if (attempt > 0 || !fs.existsSync(from)) return false;
      makeDirectory(to.slice(0, to.lastIndexOf("/")));
    }
  }
}

/** Names in a directory, in no order; none if it does not exist. */
export function namesIn(path: string): string[] {
  try {
    return fs.readdirSync(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Makes a directory and its parents with mode 0755, whatever the umask. */
export function makeDirectory(path: string): void {
  const first = makeDirectories(path, 0o755);
  if (first !== undefined) chmodUpTo(path, first);
}

/**
 * Makes a directory and its parents. Node's own recursive way never returns where a file system answers "no such file"
 * to whoever makes a directory in one that is there, as /proc does.
 * @returns the topmost directory that had to be made, or undefined if all were there
 */
export function makeDirectories(path: string, mode = 0o777): string | undefined {
  const parent = dirname(path);
  try {
    fs.mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if (isDirectory(path)) return undefined;
    if (errnoOf(error) !== "ENOENT" || parent === path || isDirectory(parent)) throw error;
  }
  const first = makeDirectories(parent, mode);
  try {
    fs.mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have been faster.
    if (!isDirectory(path)) throw error;
  }
  return first ?? path;
}

function isDirectory(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Makes the names in a directory durable. Where directories cannot be synchronised, that is the file system's affair. */
export function syncDirectory(path: string): void {
  const fd = openIfThere(path);
  if (fd === undefined) return;
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    if (!["EINVAL", "EISDIR", "EPERM", "ENOTSUP"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** Synchronises an open file on another thread. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve())));
}

/**
 * SHA-256 of an open file from its start, giving other work its turn now and then.
 * @param onBytes told the number of bytes after each turn
 * @returns 64 hex digits
 */
export async function hashFile(fd: number, onBytes: (bytes: number) => void = () => {}): Promise<string> {
  const hasher = createHasher();
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  let sinceTurn = 0;
  for (let position = 0; ; ) {
    const count = fs.readSync(fd, buffer, 0, CHUNK, position);
    if (count === 0) break;
    hasher.update(buffer.subarray(0, count));
    position += count;
    sinceTurn += count;
    if (sinceTurn >= TURN) {
      onBytes(sinceTurn);
      sinceTurn = 0;
      await nextTurn();
    }
  }
  if (sinceTurn > 0) onBytes(sinceTurn);
  return hasher.hex();
}

/** True for "no such file": also where a directory on the way is a file or missing. */
export function isMissing(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ENOENT" || errno === "ENOTDIR";
}

function chmodUpTo(path: string, first: string): void {
  for (let at = path; at.length >= first.length; at = at.slice(0, at.lastIndexOf("/"))) fs.chmodSync(at, 0o755);
}

/**
 * Renames a directory or file to where nothing is.
 * @returns false if there is something of the new name, or nothing of the old one
 */
export function renameUnlessThere(from: string, to: string): boolean {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (isMissing(error) || ["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}
