/**
 * The stat cache: what a build saw of its context, kept for the next one. A file whose size, times, inode, mode and
 * device are the same, and were not too fresh when they were taken (timestamps.ts), has the same content. It is only a
 * cache: a file that is damaged, of another version, of another context or from the future counts as absent.
 *
 * Layout (numbers as this machine stores them; a cache does not travel):
 * magic and version (8 bytes) · SHA-256 of all that follows (32) · length of the header (8) · header (JSON, padded) ·
 * the columns of the table, widest first · the columns of the directories · names. Rows stand in walk order.
 */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { makeDirectories } from "../store/files.js";
import type { ByteString } from "../support/bytes.js";
import { sha256Hex } from "../support/hash.js";
import { DIGEST_BYTES, type Directory, EntryTable, namesOf, newDirectory } from "./entryTable.js";
import type { ScanState } from "./scanner.js";

/** Raised with every change of the layout or of what the values mean. */
const MAGIC = "ncrstat1";
const SUM_AT = 8;
const LENGTH_AT = 40;
const START = 48;
const NO_TREE = Buffer.alloc(DIGEST_BYTES);

/** What a cache must have been made for to be used. */
export interface CacheIdentity {
  /** Real path of the context's root. */
  readonly root: ByteString;
  /** Digest of the ignore rules, empty if none. */
  readonly rules: string;
}

interface Header {
  readonly root: ByteString;
  readonly rules: string;
  readonly taken: number;
  readonly device: number;
  readonly rows: number;
  readonly directories: number;
  readonly names: number;
  readonly links: [number, ByteString][];
  readonly capabilities: [number, ByteString][];
  readonly specials: [number, number][];
  readonly devices: [number, number][];
}

/**
 * A file name for the stat cache of a context. Contexts that use different ignore files get different caches; a change
 * within an ignore file keeps the digests that are still of use.
 * @param root real path of the context's root
 * @param ignoreFile name of the ignore file that applies, if any
 */
export function statCacheName(root: string, ignoreFile: string | undefined): string {
  return sha256Hex(JSON.stringify([root, ignoreFile ?? null]));
}

/**
 * Reads a stat cache.
 * @param now milliseconds since 1970; a cache taken later than that is not used, because the clock has been set back
 * and a new change might get the time of an old one
 * @returns undefined if there is none that can be used
 */
export function loadStatCache(file: string, identity: CacheIdentity, now: number): ScanState | undefined {
  try {
    const bytes = fs.readFileSync(file);
    if (bytes.length < START || bytes.toString("latin1", 0, 8) !== MAGIC) return undefined;
    if (!sumOf(bytes).equals(bytes.subarray(SUM_AT, LENGTH_AT))) return undefined;
    return decode(bytes, identity, now);
  } catch {
    return undefined;
  }
}

/**
 * Writes a stat cache, so that readers see the old one or the new one. It is not synchronised: a damaged one is noticed.
 * @throws the failure of a file operation
 */
export function saveStatCache(file: string, identity: CacheIdentity, state: ScanState, now: number): void {
  const bytes = encode(identity, compact(state), now);
  const temporary = `${file}.${process.pid}.${crypto.randomBytes(6).toString("hex")}.tmp`;
  makeDirectories(path.dirname(file));
  try {
    fs.writeFileSync(temporary, bytes, { flag: "wx", mode: 0o600 });
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

// ---- encoding -------------------------------------------------------------------------------------------------------

/** A state whose rows are all in use, in walk order, parents before children. */
interface Compact {
  readonly table: EntryTable;
  readonly directories: readonly Directory[];
  /** For each directory the position of its parent; -1 for the root. */
  readonly parents: Int32Array;
}

function compact(state: ScanState): Compact {
  const order: Directory[] = [];
  const parents: number[] = [];
  const visit = (directory: Directory, parent: number): void => {
    const number = order.push(directory) - 1;
    parents.push(parent);
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      const child = state.table.child[row]!;
      const below = child < 0 ? undefined : state.directories[child];
      if (below) visit(below, number);
    }
  };
  visit(state.directories[0]!, -1);
  return moveRows(state, order, Int32Array.from(parents));
}

function moveRows(state: ScanState, order: readonly Directory[], parents: Int32Array): Compact {
  const from = state.table;
  const rows = order.reduce((sum, directory) => sum + directory.count, 1);
  const table = new EntryTable(rows);
  table.allocate(rows);
  table.rootDevice = from.rootDevice;
  const target = new Int32Array(from.count).fill(-1);
  const copied: Directory[] = [];
  copyRows(from, 0, table, 0, 1, target);
  table.child[0] = 0;
  let next = 1;
  for (const [number, directory] of order.entries()) {
    copyRows(from, directory.first, table, next, directory.count, target);
    const row = target[directory.row]!;
    table.child[row] = number;
    copied.push({ ...directory, row, first: next });
    next += directory.count;
  }
  for (const key of ["links", "capabilities", "specials", "devices"] as const) {
    for (const [row, value] of from[key])
      if (target[row]! >= 0) (table[key] as Map<number, unknown>).set(target[row]!, value);
  }
  return { table, directories: copied, parents };
}

function copyRows(
  from: EntryTable,
  source: number,
  to: EntryTable,
  at: number,
  rows: number,
  target: Int32Array,
): void {
  const end = source + rows;
  to.size.set(from.size.subarray(source, end), at);
  to.mtime.set(from.mtime.subarray(source, end), at);
  to.ctime.set(from.ctime.subarray(source, end), at);
  to.ino.set(from.ino.subarray(source, end), at);
  to.seconds.set(from.seconds.subarray(source, end), at);
  to.mode.set(from.mode.subarray(source, end), at);
  to.flags.set(from.flags.subarray(source, end), at);
  from.digests.copy(to.digests, at * DIGEST_BYTES, source * DIGEST_BYTES, end * DIGEST_BYTES);
  for (let i = 0; i < rows; i++) target[source + i] = at + i;
}

function encode(identity: CacheIdentity, { table, directories, parents }: Compact, now: number): Buffer {
  const rows = table.count;
  const names = Buffer.from(directories.map((directory) => directory.joined).join(""), "latin1");
  const header: Header = {
    ...identity,
    taken: now,
    device: table.rootDevice,
    rows,
    directories: directories.length,
    names: names.length,
    links: [...table.links],
    capabilities: [...table.capabilities],
    specials: [...table.specials],
    devices: [...table.devices],
  };
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const length = Buffer.alloc(8);
  length.writeUInt32LE(json.length);
  const integers = (values: (directory: Directory) => number): Int32Array => Int32Array.from(directories, values);
  const bytes = Buffer.concat([
    Buffer.from(MAGIC.padEnd(LENGTH_AT), "latin1"),
    length,
    json,
    Buffer.alloc(padding(json.length)),
    ...[table.size, table.mtime, table.ctime, table.ino, table.seconds].map((column) =>
      bytesOf(column.subarray(0, rows)),
    ),
    table.digests.subarray(0, rows * DIGEST_BYTES),
    ...directories.map((directory) => directory.tree ?? NO_TREE),
    bytesOf(table.mode.subarray(0, rows)),
    bytesOf(table.child.subarray(0, rows)),
    bytesOf(parents),
    ...[integers((d) => d.row), integers((d) => d.first), integers((d) => d.count)].map(bytesOf),
    bytesOf(integers((directory) => directory.joined.length)),
    table.flags.subarray(0, rows),
    Uint8Array.from(directories, (directory) => (directory.complete ? 1 : 0) | (directory.tree ? 2 : 0)),
    names,
  ]);
  sumOf(bytes).copy(bytes, SUM_AT);
  return bytes;
}

function sumOf(bytes: Buffer): Buffer {
  return crypto.createHash("sha256").update(bytes.subarray(LENGTH_AT)).digest();
}

function bytesOf(column: Float64Array | Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

function padding(length: number): number {
  return (8 - (length % 8)) % 8;
}

// ---- decoding -------------------------------------------------------------------------------------------------------

/** Takes columns from a buffer one after the other. */
class ColumnReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  take(length: number): Buffer {
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    if (part.length !== length) throw new RangeError("the cache is shorter than it says");
    this.#at += length;
    return part;
  }

  doubles(count: number): Float64Array {
    const part = aligned(this.take(count * 8));
    return new Float64Array(part.buffer, part.byteOffset, count);
  }

  integers(count: number): Int32Array {
    const part = aligned(this.take(count * 4));
    return new Int32Array(part.buffer, part.byteOffset, count);
  }

  unsigned(count: number): Uint32Array {
    const part = aligned(this.take(count * 4));
    return new Uint32Array(part.buffer, part.byteOffset, count);
  }
}

/** The columns lie at multiples of 8 in the file, so that they need not be copied out of the buffer it was read into. */
function aligned(part: Buffer): Uint8Array {
  return part.byteOffset % 8 === 0 ? part : new Uint8Array(part);
}

function decode(bytes: Buffer, identity: CacheIdentity, now: number): ScanState | undefined {
  const length = bytes.readUInt32LE(LENGTH_AT);
  const header = JSON.parse(bytes.toString("utf8", START, START + length)) as Header;
  if (header.root !== identity.root || header.taken > now) return undefined;
  const reader = new ColumnReader(bytes, START + length + padding(length));
  const { rows } = header;
  const table = new EntryTable(0);
  table.count = rows;
  table.rootDevice = header.device;
  table.size = reader.doubles(rows);
  table.mtime = reader.doubles(rows);
  table.ctime = reader.doubles(rows);
  table.ino = reader.doubles(rows);
  table.seconds = reader.doubles(rows);
  table.digests = reader.take(rows * DIGEST_BYTES);
  const trees = reader.take(header.directories * DIGEST_BYTES);
  table.mode = reader.unsigned(rows);
  table.child = reader.integers(rows);
  const directories = decodeDirectories(reader, header, trees, table, header.rules === identity.rules);
  for (const [row, value] of header.links) table.links.set(row, value);
  for (const [row, value] of header.capabilities) table.capabilities.set(row, value);
  for (const [row, value] of header.specials) table.specials.set(row, value);
  for (const [row, value] of header.devices) table.devices.set(row, value);
  return { table, directories };
}

function decodeDirectories(
  reader: ColumnReader,
  header: Header,
  trees: Buffer,
  table: EntryTable,
  sameRules: boolean,
): Directory[] {
  const count = header.directories;
  const columns = Array.from({ length: 5 }, () => reader.integers(count));
  const [parents, rows, firsts, counts, lengths] = columns as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  table.flags = new Uint8Array(reader.take(header.rows));
  const flags = reader.take(count);
  const names = reader.take(header.names).toString("latin1");
  const directories: Directory[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const parent = parents[i]! < 0 ? undefined : directories[parents[i]!]!;
    const name = parent === undefined ? "" : namesOf(parent)[rows[i]! - parent.first]!;
    const directory = newDirectory(parent, name, rows[i]!);
    directory.first = firsts[i]!;
    directory.count = counts[i]!;
    directory.joined = names.slice(at, at + lengths[i]!);
    directory.complete = sameRules && (flags[i]! & 1) !== 0;
    if ((flags[i]! & 2) !== 0) directory.tree = trees.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    directories.push(directory);
    at += lengths[i]!;
  }
  return directories;
}
