/**
 * What lies in an overlay's upper directory, as the disk tells it: names and what lstat says of them. Nothing is decided
 * here. No symlink is followed, and nothing is opened but directories.
 */
import * as fs from "node:fs";
import { type ByteString, fromByteString, fsPath } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { FileType } from "./fileTree.js";
import type { Pace } from "./pace.js";

/** A name in an upper directory. */
export interface UpperNode {
  readonly name: ByteString;
  /** Clean path from the upper directory, which itself is "". */
  readonly path: ByteString;
  /** Overlayfs's sign for a name that is gone is still a character device here, with the numbers 0, 0. */
  readonly type: FileType | "socket";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly size: number;
  /** Whole seconds, floored. */
  readonly mtime: number;
  readonly link: ByteString | undefined;
  readonly devMajor: number | undefined;
  readonly devMinor: number | undefined;
  /** Device and inode number where the inode has several names, some of which may lie elsewhere. */
  readonly inode: string | undefined;
  /** Says if the file is still the one that was seen; see {@link stampOf}. */
  readonly stamp: string;
  /** In byte order; empty for all but directories. */
  readonly children: readonly UpperNode[];
}

type Stat = fs.BigIntStats;

/**
 * Walks an upper directory.
 * @param dir absolute path as bytes
 * @throws NacreError STORE where something cannot be read, CANCELLED
 */
export async function walkUpper(dir: ByteString, pace: Pace): Promise<UpperNode> {
  return walkDirectory(dir, "", "", statOf(dir, ""), pace);
}

async function walkDirectory(
  dir: ByteString,
  path: ByteString,
  name: ByteString,
  stat: Stat,
  pace: Pace,
): Promise<UpperNode> {
  const children: UpperNode[] = [];
  for (const child of namesIn(dir, path)) {
    if (pace.isDue()) await pace.pause();
    const below = path === "" ? child : `${path}/${child}`;
    const found = statOf(dir, below);
    children.push(
      found.isDirectory() ? await walkDirectory(dir, below, child, found, pace) : leafOf(dir, below, child, found),
    );
  }
  return nodeOf(path, name, "dir", stat, undefined, children);
}

const NO_CHILDREN: readonly UpperNode[] = [];

function leafOf(dir: ByteString, path: ByteString, name: ByteString, stat: Stat): UpperNode {
  const type = typeOf(stat);
  const link = type === "symlink" ? reading(dir, path, (at) => fs.readlinkSync(at, "latin1")) : undefined;
  return nodeOf(path, name, type, stat, link, NO_CHILDREN);
}

function nodeOf(
  path: ByteString,
  name: ByteString,
  type: UpperNode["type"],
  stat: Stat,
  link: ByteString | undefined,
  children: readonly UpperNode[],
): UpperNode {
  const device = type === "char" || type === "block" ? deviceNumbers(stat.rdev) : undefined;
  return {
    name,
    path,
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === "file" ? Number(stat.size) : 0,
    mtime: wholeSeconds(stat.mtimeNs),
    link,
    devMajor: device?.major,
    devMinor: device?.minor,
    inode: type !== "dir" && stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined,
    stamp: stampOf(stat),
    children,
  };
}

/** Inode, size and times: all that changes when a file is written or replaced. */
export function stampOf(stat: Stat): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** Where a path of the upper directory lies on disk, for a `node:fs` call. */
export function upperPath(dir: ByteString, path: ByteString): string | Buffer {
  return fsPath(path === "" ? dir : `${dir}/${path}`);
}

/**
 * Does something with a file of an upper directory, its failure wrapped.
 * @throws NacreError STORE, DISK_FULL
 */
export function reading<T>(dir: ByteString, path: ByteString, work: (at: string | Buffer) => T): T {
  try {
    return work(upperPath(dir, path));
  } catch (error) {
    throw ioError("STORE", `reading what a step changed: /${shown(path)}`, error);
  }
}

/** A file that the walk saw is not as it was: something writes to the upper directory, which nothing may. */
export function notQuiet(path: ByteString): NacreError {
  return new NacreError("CONTENT_INVALID", `/${shown(path)} changed while the layer was made of it`, {
    hint: "something writes to the store from outside, or a process of the step is still running; build again",
    facts: { path: fromByteString(path) },
  });
}

function shown(path: ByteString): string {
  const text = fromByteString(path);
  return text.length > 400 ? `${text.slice(0, 200)}…${text.slice(-200)}` : text;
}

function namesIn(dir: ByteString, path: ByteString): ByteString[] {
  return reading(dir, path, (at) => fs.readdirSync(at, { encoding: "latin1" })).sort();
}

function statOf(dir: ByteString, path: ByteString): Stat {
  return reading(dir, path, (at) => fs.lstatSync(at, { bigint: true }));
}

function typeOf(stat: Stat): UpperNode["type"] {
  if (stat.isFile()) return "file";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFIFO() ? "fifo" : "socket";
}

function wholeSeconds(ns: bigint): number {
  const second = 1_000_000_000n;
  const remainder = ((ns % second) + second) % second;
  return Number((ns - remainder) / second);
}

/** Splits st_rdev as Linux packs it (glibc: gnu_dev_major, gnu_dev_minor). */
function deviceNumbers(rdev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
