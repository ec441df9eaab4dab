/**
 * Sparse files: GNU tar's old form (type `S`) and its PAX forms 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").
 * The archive holds a map and the stretches of data one after the other; between them the file has zeros.
 */
import type { ByteString } from "../support/bytes.js";
import { BLOCK_SIZE } from "./block.js";
import { type Fail, parseNumber, type RawHeader } from "./header.js";
import type { PaxRecords } from "./pax.js";

/** A stretch of data of a sparse file. */
export interface SparseSegment {
  /** Where it lies in the file. */
  readonly at: number;
  readonly length: number;
}

/** What is known of a sparse file before its content. */
export interface SparseFile {
  /** Its size with the holes. */
  readonly size: number;
  readonly segments: readonly SparseSegment[];
}

const ENTRY_LENGTH = 24;
const NUMBER_LENGTH = 12;
const HEADER_ENTRIES = { at: 386, count: 4, more: 482 };
const EXTENSION_ENTRIES = { at: 0, count: 21, more: 504 };
const REAL_SIZE_AT = 483;

/** The map of an old GNU sparse file, which comes in its header and in blocks that follow it. */
export interface OldSparseMap {
  readonly size: number;
  readonly segments: SparseSegment[];
  /** True if another block of the map follows. */
  readonly more: boolean;
}

/** Reads what the header of a sparse file of type `S` says. */
export function readOldSparseHeader(block: Buffer, at: number, raw: RawHeader, fail: Fail): OldSparseMap {
  if (raw.dialect !== "gnu") fail("a sparse file must have a GNU header");
  const size = sparseNumber(block, at + REAL_SIZE_AT, fail);
  return { size, ...readEntries(block, at, HEADER_ENTRIES, fail) };
}

/** Reads one of the blocks that follow the header. */
export function readOldSparseBlock(block: Buffer, at: number, map: OldSparseMap, fail: Fail): OldSparseMap {
  const { segments, more } = readEntries(block, at, EXTENSION_ENTRIES, fail);
  for (const segment of segments) map.segments.push(segment);
  return { ...map, more };
}

function readEntries(block: Buffer, at: number, place: typeof HEADER_ENTRIES, fail: Fail) {
  const segments: SparseSegment[] = [];
  for (let i = 0; i < place.count; i++) {
    const start = at + place.at + i * ENTRY_LENGTH;
    // An empty entry ends the map.
    if (block[start] === 0 || block[start + NUMBER_LENGTH] === 0) break;
    const length = sparseNumber(block, start + NUMBER_LENGTH, fail);
    segments.push({ at: sparseNumber(block, start, fail), length });
  }
  const flag = block[at + place.more]!;
  if (flag > 1 || (flag === 1 && segments.length < place.count)) fail("the map of a sparse file is malformed");
  return { segments, more: flag === 1 };
}

function sparseNumber(block: Buffer, at: number, fail: Fail): number {
  const value = parseNumber(block, at, NUMBER_LENGTH);
  if (!(value >= 0)) fail("the map of a sparse file is malformed");
  return value;
}

/** What PAX records say of a sparse file. */
export interface PaxSparse {
  readonly size: number;
  readonly name: ByteString | undefined;
  /** Absent in form 1.0, where the map stands before the data. */
  readonly segments: readonly SparseSegment[] | undefined;
}

/** @returns undefined if the records describe no sparse file */
export function paxSparse(records: PaxRecords, fail: Fail): PaxSparse | undefined {
  const get = (key: string) => records.values.get(`GNU.sparse.${key}`);
  const any = records.sparsePairs.length > 0 || [...records.values.keys()].some((key) => key.startsWith("GNU.sparse."));
  if (!any) return undefined;
  const version = `${get("major") ?? "0"}.${get("minor") ?? "0"}`;
  const map = get("map");
  const listed = map !== undefined ? map.split(",") : records.sparsePairs;
  const size = decimal(get("size") ?? get("realsize"), fail);
  if (get("size") !== undefined && get("realsize") !== undefined && decimal(get("realsize"), fail) !== size) {
    fail("a sparse file has two sizes");
  }
  if (version === "1.0" && map === undefined && records.sparsePairs.length === 0) {
    return { size, name: get("name"), segments: undefined };
  }
  if (!/^0\.[01]$/.test(version) || (map !== undefined && records.sparsePairs.length > 0))
    fail("unknown form of sparse file");
  return { size, name: get("name"), segments: pairs(listed, get("numblocks"), fail) };
}

function pairs(numbers: readonly string[], count: string | undefined, fail: Fail): SparseSegment[] {
  // A file that is one hole has a map of no numbers.
  const list = numbers.length === 1 && numbers[0] === "" ? [] : numbers;
  if (list.length % 2 !== 0) fail("the map of a sparse file is malformed");
  if (count === undefined ? list.length === 0 : decimal(count, fail) !== list.length / 2) {
    fail("the map of a sparse file does not have the length that it says");
  }
  const segments: SparseSegment[] = [];
  for (let i = 0; i < list.length; i += 2) {
    segments.push({ at: decimal(list[i], fail), length: decimal(list[i + 1], fail) });
  }
  return segments;
}

function decimal(value: string | undefined, fail: Fail): number {
  if (value === undefined || !/^[0-9]{1,16}$/.test(value)) fail("the map of a sparse file is malformed");
  const number = Number(value);
  if (!Number.isSafeInteger(number)) fail("the map of a sparse file is malformed");
  return number;
}

/**
 * Collects the map of form 1.0: decimal numbers, one a line: how many entries, then offset and length of each; filled
 * up with NULs to a block. It grows block by block because its length is known only from its own text.
 */
export class SparseMapText {
  #text = "";
  #numbers: number[] = [];

  /** Bytes taken so far. */
  taken = 0;

  /** @returns the segments once they are all there, else undefined: another block is wanted */
  take(block: Buffer, at: number, fail: Fail): readonly SparseSegment[] | undefined {
    this.taken += BLOCK_SIZE;
    const lines = (this.#text + block.toString("latin1", at, at + BLOCK_SIZE)).split("\n");
    this.#text = lines.pop()!;
    for (const [i, line] of lines.entries()) {
      this.#numbers.push(decimal(line, fail));
      if (this.#isWhole()) return this.#finish([...lines.slice(i + 1), this.#text], fail);
    }
    if (this.#text.length > 16) fail("the map of a sparse file is malformed");
    return undefined;
  }

  #isWhole(): boolean {
    return this.#numbers.length === 1 + 2 * this.#numbers[0]!;
  }

  #finish(rest: readonly string[], fail: Fail): readonly SparseSegment[] {
    if (/[^\0]/.test(rest.join("\n"))) fail("the map of a sparse file is followed by something else");
    const segments: SparseSegment[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2)
      segments.push({ at: this.#numbers[i]!, length: this.#numbers[i + 1]! });
    return segments;
  }
}

/** Refuses a map whose stretches overlap, are out of order, leave the file or do not have the bytes that are stored. */
export function checkSparse(file: SparseFile, stored: number, fail: Fail): void {
  let end = 0;
  let total = 0;
  for (const { at, length } of file.segments) {
    if (at < end || at + length > file.size) fail("the map of a sparse file is out of order or leaves the file");
    end = at + length;
    total += length;
  }
  if (total !== stored) fail("the map of a sparse file does not fit the data that is stored");
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Turns the stored data of a sparse file into its whole content. */
export class SparseFiller {
  readonly #file: SparseFile;
  readonly #emit: (chunk: Buffer) => void;
  #next = 0;
  #position = 0;

  constructor(file: SparseFile, emit: (chunk: Buffer) => void) {
    this.#file = file;
    this.#emit = emit;
  }

  /** The next piece of stored data. */
  write(stored: Buffer): void {
    for (let rest = stored; rest.length > 0; ) {
      const segment = this.#file.segments[this.#next]!;
      this.#fillTo(segment.at);
      const piece = rest.subarray(0, segment.at + segment.length - this.#position);
      if (piece.length > 0) this.#emit(piece);
      this.#position += piece.length;
      if (this.#position === segment.at + segment.length) this.#next++;
      rest = rest.subarray(piece.length);
    }
  }

  /** Fills in what follows the last data. */
  end(): void {
    this.#fillTo(this.#file.size);
  }

  #fillTo(position: number): void {
    while (this.#position < position) {
      const piece = ZEROS.subarray(0, Math.min(ZEROS.length, position - this.#position));
      this.#emit(piece);
      this.#position += piece.length;
    }
  }
}
