/** The few file-system calls that a context makes, on byte-string paths below its root. */
import * as fs from "node:fs";
import { type ByteString, fromByteString, fsPath, isAscii, toByteString } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import type { StatValues } from "./entryTable.js";
import { S_IFMT, S_IFREG } from "./fileTypes.js";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = fs.constants;

/** The root of a context on disk. */
export interface DiskRoot {
  /** Real path (no symlinks), as a byte string without trailing slash; empty for `/` itself. */
  readonly prefix: ByteString;
  readonly ascii: boolean;
  /** As the user wrote it, for messages. */
  readonly shown: string;
  /** The system tells where an open file really lies (Linux: /proc/self/fd). */
  readonly tellsPlaces: boolean;
}

/**
 * Finds the directory that a context's root names; it may be a symlink.
 * @throws NacreError CONTEXT_UNREADABLE if it is not there or not a directory
 */
export function openRoot(root: string): DiskRoot {
  try {
    const real = fs.realpathSync.native(fsPath(toByteString(root)), "latin1");
    if (!fs.statSync(fsPath(real)).isDirectory()) throw notADirectory(root);
    const prefix = real === "/" ? "" : real;
    return { prefix, ascii: isAscii(prefix), shown: root, tellsPlaces: tellsPlace(real) };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new NacreError("CONTEXT_UNREADABLE", `the build context ${root} does not exist`, {
        hint: "give the directory that holds the files to build from, often .",
        cause: error,
      });
    }
    throw ioError("CONTEXT_UNREADABLE", `reading the build context ${root}`, error);
  }
}

/** The path of something in the context, for a `node:fs` call. */
export function diskPath(root: DiskRoot, path: ByteString): string | Buffer {
  const full = path === "" ? root.prefix || "/" : `${root.prefix}/${path}`;
  return root.ascii ? fsPath(full) : Buffer.from(full, "latin1");
}

/** The names in a directory in byte order. `latin1` gives one character per byte. */
export function listNames(root: DiskRoot, path: ByteString): ByteString[] {
  return fs.readdirSync(diskPath(root, path), { encoding: "latin1" }).sort();
}

/** What a symlink says, as bytes. */
export function readLink(root: DiskRoot, path: ByteString): ByteString {
  return fs.readlinkSync(diskPath(root, path), "latin1");
}

/**
 * The whole seconds of an mtime. Milliseconds as a double cannot tell the last 0.1 µs of a second from the next one,
 * so times that look whole are asked for again in nanoseconds.
 */
export function wholeSeconds(root: DiskRoot, path: ByteString, stat: StatValues): number {
  const seconds = Math.floor(stat.mtimeMs / 1000);
  if (stat.mtimeMs % 1000 !== 0) return seconds;
  const exact = fs.lstatSync(diskPath(root, path), { bigint: true, throwIfNoEntry: false });
  if (exact === undefined) return seconds;
  const floored = floorSeconds(exact.mtimeNs);
  return seconds - floored === 1 ? floored : seconds;
}

function floorSeconds(ns: bigint): number {
  const second = 1_000_000_000n;
  const remainder = ((ns % second) + second) % second;
  return Number((ns - remainder) / second);
}

/** An open regular file and what `fstat` says of it. */
export interface OpenFile {
  readonly descriptor: number;
  readonly stat: StatValues;
}

/**
 * Opens a regular file of the context for reading: never through a symlink, never waiting for a fifo. A directory above
 * that is exchanged for a symlink at this moment does not lead out either, where the system tells places.
 * @returns undefined if something else is there now
 * @throws the failure of open(2)
 */
export function openRegular(root: DiskRoot, path: ByteString): OpenFile | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(diskPath(root, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "ENODEV", "EISDIR"].includes(errno)) return undefined;
    throw error;
  }
  const stat = fs.fstatSync(descriptor);
  const inPlace = !root.tellsPlaces || placeOf(descriptor) === `${root.prefix}/${path}`;
  if ((stat.mode & S_IFMT) === S_IFREG && inPlace) return { descriptor, stat };
  fs.closeSync(descriptor);
  return undefined;
}

function placeOf(descriptor: number): ByteString | undefined {
  try {
    return fs.readlinkSync(`/proc/self/fd/${descriptor}`, "latin1");
  } catch {
    return undefined;
  }
}

function tellsPlace(directory: ByteString): boolean {
  if (process.platform !== "linux") return false;
  let descriptor: number;
  try {
    descriptor = fs.openSync(fsPath(directory), O_RDONLY | O_DIRECTORY);
  } catch {
    return false;
  }
  try {
    return placeOf(descriptor) === directory;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** A failure to read something that belongs to the context. */
export function unreadable(doing: string, root: DiskRoot, path: ByteString, error: unknown): NacreError {
  if (errnoOf(error) === "ENAMETOOLONG") {
    return new NacreError("CONTEXT_UNREADABLE", `a path is too long: ${shownPath(root, path)}`, {
      hint: "the system cannot open paths of 4096 bytes; exclude the directory in .dockerignore",
      cause: error,
    });
  }
  return ioError(
    "CONTEXT_UNREADABLE",
    `${doing} ${shownPath(root, path)}`,
    error,
    "make it readable, or exclude it in .dockerignore",
  );
}

/** Something is not as it was when the context was scanned. */
export function changed(root: DiskRoot, path: ByteString): NacreError {
  return new NacreError("CONTEXT_CHANGED", `${shownPath(root, path)} changed while it was being built`, {
    hint: "build again when nothing writes to the build context",
    facts: { path: fromByteString(path) },
  });
}

function shownPath(root: DiskRoot, path: ByteString): string {
  if (path === "") return root.shown;
  const text = fromByteString(path);
  const short = text.length > 400 ? `${text.slice(0, 200)}…${text.slice(-200)}` : text;
  return `${short} in the build context ${root.shown}`;
}

function notADirectory(root: string): NacreError {
  return new NacreError("CONTEXT_UNREADABLE", `the build context ${root} is not a directory`, {
    hint: "give the directory that holds the files to build from, often .",
  });
}
