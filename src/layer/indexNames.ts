/**
 * Names of entries while a layer's tree is made: numbers for entries, one buffer for all their names, and a hash table that
 * finds an entry by its directory and name. A million entries take some 30 MB here, where an object and a map for each of
 * them would take hundreds.
 */
import { randomInt } from "node:crypto";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

const FIRST_CAPACITY = 256;
/** Bytes of all names; a layer with more was made to use up memory. */
const MAX_NAMES = 2 ** 30;

/** See the top of this file. Entry 0 is the root, which has no name and is its own parent. */
export class IndexNames {
  /** How many entries there are. */
  count = 1;
  /** Directory of each entry. */
  parents = new Uint32Array(FIRST_CAPACITY);
  /** Start of each name in `bytes`; it ends where the next one starts. */
  starts = new Uint32Array(FIRST_CAPACITY + 1);
  bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY * 16);
  /** Entries by hash, 0 for a free place: the root is in no directory. Its length is a power of two. */
  #table = new Uint32Array(FIRST_CAPACITY * 2);
  /** Archives cannot be made to collide, because nobody knows these. */
  readonly #key0 = randomInt(2 ** 32) | 0;
  readonly #key1 = randomInt(2 ** 32) | 0;

  /** The entry of that name in a directory: the one that came last. */
  find(parent: number, name: ByteString): number | undefined {
    const entry = this.#table[this.#place(parent, this.#lay(name))]!;
    return entry === 0 ? undefined : entry;
  }

  /**
   * A new entry, which takes the place of an earlier one of its name.
   * @throws NacreError LIMIT_EXCEEDED
   */
  append(parent: number, name: ByteString): number {
    const end = this.#lay(name);
    const place = this.#place(parent, end);
    const entry = this.count++;
    if (entry >= this.parents.length) this.#grow();
    this.parents[entry] = parent;
    this.starts[entry + 1] = end;
    this.#table[place] = entry;
    if (this.count * 2 > this.#table.length) this.#growTable();
    return entry;
  }

  /** Last component of the path. */
  name(entry: number): ByteString {
    return this.bytes.toString("latin1", this.starts[entry], this.starts[entry + 1]);
  }

  /** The whole path, also of an entry that was replaced. */
  path(entry: number): ByteString {
    const parent = this.parents[entry]!;
    return parent === 0 ? this.name(entry) : `${this.path(parent)}/${this.name(entry)}`;
  }

  /** Byte order of two entries' names: negative, 0 or positive. */
  compare(a: number, b: number): number {
    const { bytes, starts } = this;
    const startA = starts[a]!;
    const startB = starts[b]!;
    const lengthA = starts[a + 1]! - startA;
    const lengthB = starts[b + 1]! - startB;
    const length = Math.min(lengthA, lengthB);
    for (let i = 0; i < length; i++) {
      const difference = bytes[startA + i]! - bytes[startB + i]!;
      if (difference !== 0) return difference;
    }
    return lengthA - lengthB;
  }

  /** Writes a name behind the last one, where it can be compared and kept. @returns where it ends */
  #lay(name: ByteString): number {
    const start = this.starts[this.count]!;
    const end = start + name.length;
    if (end > this.bytes.length) this.#growBytes(end);
    const { bytes } = this;
    for (let i = 0; i < name.length; i++) bytes[start + i] = name.charCodeAt(i);
    return end;
  }

  /** Where in the table the entry stands whose name is laid behind the last one, or the free place for it. */
  #place(parent: number, end: number): number {
    const mask = this.#table.length - 1;
    const start = this.starts[this.count]!;
    let place = this.#hash(parent, start, end) & mask;
    for (;;) {
      const entry = this.#table[place]!;
      if (entry === 0 || (this.parents[entry] === parent && this.#isNamed(entry, start, end))) return place;
      place = (place + 1) & mask;
    }
  }

  #isNamed(entry: number, start: number, end: number): boolean {
    const { bytes } = this;
    const own = this.starts[entry]!;
    if (this.starts[entry + 1]! - own !== end - start) return false;
    for (let i = start; i < end; i++) if (bytes[own + i - start] !== bytes[i]) return false;
    return true;
  }

  /** HalfSipHash-1-3 (Aumasson and Bernstein) of a directory's number and a name: short, and not to be foreseen without its key. */
  #hash(parent: number, start: number, end: number): number {
    const { bytes } = this;
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = this.#key0 ^ 0x6c796765;
    let v3 = this.#key1 ^ 0x74656462;
    const last = ((end - start) >> 2) + 1;
    for (let i = 0, at = start; i <= last + 3; i++) {
      let word = 0;
      if (i === 0) word = parent;
      else if (i < last) {
        word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
        at += 4;
      } else if (i === last) {
        word = (end - start) << 24;
        for (let shift = 0; at < end; shift += 8) word |= bytes[at++]! << shift;
      } else if (i === last + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return (v1 ^ v3) >>> 0;
  }

  #grow(): void {
    const capacity = this.parents.length * 2;
    this.parents = enlarged(this.parents, new Uint32Array(capacity));
    this.starts = enlarged(this.starts, new Uint32Array(capacity + 1));
  }

  #growBytes(needed: number): void {
    if (needed > MAX_NAMES) throw tooManyNames();
    this.bytes = enlarged(this.bytes, Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2)));
  }

  /** No two entries of the table have the same name: they only need free places. */
  #growTable(): void {
    const old = this.#table;
    this.#table = new Uint32Array(old.length * 2);
    const mask = this.#table.length - 1;
    for (const entry of old) {
      if (entry === 0) continue;
      let place = this.#hash(this.parents[entry]!, this.starts[entry]!, this.starts[entry + 1]!) & mask;
      while (this.#table[place] !== 0) place = (place + 1) & mask;
      this.#table[place] = entry;
    }
  }
}

/** A larger array with the content of a smaller one. */
export function enlarged<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

function tooManyNames(): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `a layer has names of more than ${MAX_NAMES} bytes`, {
    hint: "the archive was made to do harm; check where it comes from",
  });
}
