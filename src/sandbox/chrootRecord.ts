/**
 * What a step at level `chroot` changed, found by comparing its root with what was noted of it before. A change shows in
 * the inode's number or in its change time, which no process can set; contents are not read here. The outcome has the form
 * of an overlay's upper directory: what differs, the directories on the way, and signs for names that are gone.
 */
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pace } from "../layer/pace.js";
import { reading, stampOf, type UpperNode } from "../layer/upperWalk.js";
import type { ByteString } from "../support/bytes.js";

/** What is kept of every name of a root: some fifty bytes and the name. */
export interface TreeRecord {
  /** Parents first, names of a directory in byte order; the root is the first one. */
  readonly names: readonly ByteString[];
  /** Position after the last one below. */
  readonly ends: Uint32Array;
  readonly inodes: Float64Array;
  readonly sizes: Float64Array;
  /** Nanoseconds. */
  readonly changed: BigInt64Array;
  readonly modified: BigInt64Array;
}

/** Milliseconds within which a clock may not tell two changes apart. */
const CLOCK_GRAIN = 20;

/**
 * Notes everything below a directory, and waits until the clock has moved on from the last change in it.
 * @param dir absolute, as bytes
 * @throws NacreError STORE, CANCELLED
 */
export async function recordTree(dir: ByteString, pace: Pace): Promise<TreeRecord> {
  const recorder = new Recorder();
  await recorder.visit(dir, "", "", pace);
  await sleep(CLOCK_GRAIN);
  return recorder.finish();
}

/** Columns that grow. */
class Recorder {
  readonly #names: ByteString[] = [];
  #ends = new Uint32Array(1024);
  #inodes = new Float64Array(1024);
  #sizes = new Float64Array(1024);
  #changed = new BigInt64Array(1024);
  #modified = new BigInt64Array(1024);

  async visit(dir: ByteString, path: ByteString, name: ByteString, pace: Pace): Promise<void> {
    const stat = statOf(dir, path);
    const at = this.#add(name, stat);
    if (stat.isDirectory()) {
      for (const child of namesIn(dir, path)) {
        if (pace.isDue()) await pace.pause();
        const below = join(path, child);
        const found = statOf(dir, below);
        if (found.isDirectory()) await this.visit(dir, below, child, pace);
        else this.#ends[this.#add(child, found)] = this.#names.length;
      }
    }
    this.#ends[at] = this.#names.length;
  }

  finish(): TreeRecord {
    return {
      names: this.#names,
      ends: this.#ends,
      inodes: this.#inodes,
      sizes: this.#sizes,
      changed: this.#changed,
      modified: this.#modified,
    };
  }

  #add(name: ByteString, stat: fs.BigIntStats): number {
    const at = this.#names.push(name) - 1;
    if (at >= this.#ends.length) this.#grow();
    this.#inodes[at] = Number(stat.ino);
    this.#sizes[at] = Number(stat.size);
    this.#changed[at] = stat.ctimeNs;
    this.#modified[at] = stat.mtimeNs;
    return at;
  }

  #grow(): void {
    const length = this.#ends.length * 2;
    const grown = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#ends = grown(this.#ends, new Uint32Array(length));
    this.#inodes = grown(this.#inodes, new Float64Array(length));
    this.#sizes = grown(this.#sizes, new Float64Array(length));
    this.#changed = grown(this.#changed, new BigInt64Array(length));
    this.#modified = grown(this.#modified, new BigInt64Array(length));
  }
}

/**
 * What is different now: the root, with directories and names in it that have changed; a name that is gone is a character
 * device 0, 0, as overlayfs notes it.
 * @throws NacreError STORE, CANCELLED
 */
export async function changesSince(dir: ByteString, record: TreeRecord, pace: Pace): Promise<UpperNode> {
  return new Comparison(dir, record, pace).directory("", "", statOf(dir, ""), 0).then(({ node }) => node);
}

interface Compared {
  readonly node: UpperNode;
  readonly differs: boolean;
}

/** Position of a name that was not there. */
const NEW = -1;

class Comparison {
  readonly #dir: ByteString;
  readonly #record: TreeRecord;
  readonly #pace: Pace;

  constructor(dir: ByteString, record: TreeRecord, pace: Pace) {
    this.#dir = dir;
    this.#record = record;
    this.#pace = pace;
  }

  async directory(path: ByteString, name: ByteString, stat: fs.BigIntStats, at: number): Promise<Compared> {
    const before = this.#children(at);
    const children: UpperNode[] = [];
    const now = namesIn(this.#dir, path);
    for (const child of now) {
      if (this.#pace.isDue()) await this.#pace.pause();
      const below = join(path, child);
      const found = statOf(this.#dir, below);
      const then = before.get(child) ?? NEW;
      before.delete(child);
      if (found.isDirectory()) {
        const compared = await this.directory(below, child, found, then);
        if (compared.differs) children.push(compared.node);
      } else if (this.#differs(found, then)) {
        children.push(leaf(this.#dir, below, child, found));
      }
    }
    for (const child of before.keys()) children.push(goneNode(join(path, child), child));
    children.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { node: nodeOf(path, name, stat, children), differs: children.length > 0 || this.#differs(stat, at) };
  }

  /** The names that a directory had, with their positions. */
  #children(at: number): Map<ByteString, number> {
    const { names, ends } = this.#record;
    const children = new Map<ByteString, number>();
    if (at === NEW) return children;
    for (let child = at + 1; child < ends[at]!; child = ends[child]!) children.set(names[child]!, child);
    return children;
  }

  #differs(stat: fs.BigIntStats, at: number): boolean {
    if (at === NEW) return true;
    const { inodes, sizes, changed, modified } = this.#record;
    return (
      changed[at] !== stat.ctimeNs ||
      modified[at] !== stat.mtimeNs ||
      inodes[at] !== Number(stat.ino) ||
      sizes[at] !== Number(stat.size)
    );
  }
}

function goneNode(path: ByteString, name: ByteString): UpperNode {
  const nothing = { mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, link: undefined, inode: undefined, stamp: "" };
  return { path, name, type: "char", devMajor: 0, devMinor: 0, ...nothing, children: [] };
}

function leaf(dir: ByteString, path: ByteString, name: ByteString, stat: fs.BigIntStats): UpperNode {
  const link = stat.isSymbolicLink() ? reading(dir, path, (at) => fs.readlinkSync(at, "latin1")) : undefined;
  return { ...nodeOf(path, name, stat, []), link };
}

function nodeOf(path: ByteString, name: ByteString, stat: fs.BigIntStats, children: readonly UpperNode[]): UpperNode {
  const isDevice = stat.isCharacterDevice() || stat.isBlockDevice();
  const second = 1_000_000_000n;
  return {
    ...{ name, path, children, type: typeOf(stat), link: undefined },
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.isFile() ? Number(stat.size) : 0,
    mtime: Number((stat.mtimeNs - (((stat.mtimeNs % second) + second) % second)) / second),
    devMajor: isDevice ? Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & 0xfffff000n)) : undefined,
    devMinor: isDevice ? Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xffffff00n)) : undefined,
    inode: !stat.isDirectory() && stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined,
    stamp: stampOf(stat),
  };
}

function typeOf(stat: fs.BigIntStats): UpperNode["type"] {
  if (stat.isDirectory()) return "dir";
  if (stat.isFile()) return "file";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFIFO() ? "fifo" : "socket";
}

function statOf(dir: ByteString, path: ByteString): fs.BigIntStats {
  return reading(dir, path, (at) => fs.lstatSync(at, { bigint: true }));
}

function namesIn(dir: ByteString, path: ByteString): ByteString[] {
  return reading(dir, path, (at) => fs.readdirSync(at, { encoding: "latin1" })).sort();
}

function join(path: ByteString, name: ByteString): ByteString {
  return path === "" ? name : `${path}/${name}`;
}
